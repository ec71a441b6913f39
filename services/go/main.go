// Command catalogue is a product catalogue over HTTP: the baseline of the pair.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

// shutdownGrace is how long requests in flight may take after SIGTERM.
const shutdownGrace = 3 * time.Second

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "catalogue:", err)
		os.Exit(1)
	}
}

func run() error {
	addr := flag.String("addr", envOr("ADDR", "127.0.0.1:8080"), "address to listen on; port 0 picks a free one")
	flag.Parse()
	seed, err := strconv.ParseUint(envOr("SEED", "42"), 10, 64)
	if err != nil {
		return fmt.Errorf("SEED: %w", err)
	}
	randomTokens, err := isRandom("TOKENS")
	if err != nil {
		return err
	}
	randomIDs, err := isRandom("IDS")
	if err != nil {
		return err
	}
	tokenTTL, err := seconds("TOKEN_TTL_S")
	if err != nil {
		return err
	}
	stopped, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return fmt.Errorf("address %s: %w", *addr, err)
	}
	return serve(stopped, listener, newServer(seed, randomTokens, randomIDs, tokenTTL))
}

// serve announces the address, then answers until stopped is done.
func serve(stopped context.Context, listener net.Listener, s *server) error {
	web := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
	fmt.Println("listening on", listener.Addr())
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-stopped.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), shutdownGrace)
	defer cancel()
	if err := web.Shutdown(grace); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

func envOr(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}

// isRandom reads a variable that is "random" or empty.
func isRandom(name string) (bool, error) {
	switch value := os.Getenv(name); value {
	case "":
		return false, nil
	case "random":
		return true, nil
	default:
		return false, fmt.Errorf("%s: %q is not known, it may be \"random\" or empty", name, value)
	}
}

// seconds reads a variable that is a whole number of seconds, at least 1, or empty: 0.
func seconds(name string) (time.Duration, error) {
	value := os.Getenv(name)
	if value == "" {
		return 0, nil
	}
	number, err := strconv.ParseUint(value, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	if number == 0 {
		return 0, fmt.Errorf("%s: it must be at least 1, or empty for never", name)
	}
	return time.Duration(number) * time.Second, nil
}
