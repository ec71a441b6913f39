"""What a service may answer to break a report, and a run that is full of it."""

from __future__ import annotations

import msgspec
from hypothesis import strategies as st

from shadow.results.finding import Example
from shadow.results.gates.verdicts import CriterionResult, GateResult
from shadow.results.provenance import Build, Commit, Machine, Provenance
from shadow.results.runs import Side
from shadow.results.summary import EndpointSummary, FindingSummary, Summary

TEXTS = (
    "```\n# heading\n</details></summary><script>alert(1)</script>",
    "`code` ``two`` | a | b |\n| --- |",
    "@octocat #1 GH-1 https://evil.example/ www.evil.example [x](http://evil.example)",
    '<img src=x onerror="alert(1)"> &lt; & " \' ]]> <!-- -->',
    "::error::x%0A::set-output name=a::b\r\n::stop-commands::x ##[error]y",
    "\x00\x01\x08\x0b\x0c\x1b[31m\x7f\x85\u2028\u202e\ufffe\uffff\ud800 \U0001f600",
    "$(touch /tmp/x) `id` ; ' \" \\ $HOME !! {0} {{ }} {% x %}",
    "../../etc/passwd?a=b#c %2e%2e/ C:\\x",
    "x" * 3000,
    "漢字 é ñ \N{COMBINING ACUTE ACCENT}" * 20,
    "",
    " ",
)
texts = st.sampled_from(TEXTS) | st.text(st.characters(), max_size=60)


def full_of(summary: Summary, text: str) -> Summary:
    """The summary with the text in every place that a service or a capture decides."""
    replace = msgspec.structs.replace

    def example(each: Example) -> Example:
        return replace(
            each,
            exchange_id=text,
            method=text,
            target=text,
            path=text,
            baseline=text,
            candidate=f"{text}!",
        )

    def finding(each: FindingSummary) -> FindingSummary:
        return replace(
            each,
            endpoint=text,
            path_pattern=text,
            owner=text,
            examples=tuple(map(example, each.examples)),
        )

    def endpoint(each: EndpointSummary) -> EndpointSummary:
        return replace(each, endpoint=text)

    return replace(
        summary,
        captures=(text, text),
        baseline=Side(name=text, url=text),
        candidate=Side(name=text, url=text),
        findings=tuple(map(finding, summary.findings)),
        endpoints=tuple(map(endpoint, summary.endpoints)),
        rules=tuple(
            replace(rule, name=text, reason=text, owner=text, example=None)
            for rule in summary.rules
        ),
        reasons={outcome: {text: count} for outcome in summary.reasons for count in (1,)},
        warnings=tuple(replace(each, text=text) for each in summary.warnings),
        files={text: text, "*": text},
        gate=GateResult(
            phase=text,
            run_id=text,
            verdict="fail",
            criteria=(CriterionResult(name=text, verdict="fail", endpoint=text, note=text),),
        ),
        provenance=Provenance(
            shadow=text,
            digest=text,
            baseline=Build(version=text, toolchain=text),
            candidate=Build(note=text),
            commit=Commit(sha=text),
            machine=Machine(cores=1, architecture=text, system=text, cpu=text, python=text),
            seed=None,
        ),
    )
