//! Ways over the warehouse floor: a grid whose cells cost 1 to 9 to enter, 0 is a wall. Every
//! fourth cell of every fourth row is a stop, which is never a wall.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::app::{App, Shared};
use crate::auth::User;
use crate::defects::Defect;
use crate::error::ApiError;
use crate::prng::Prng;

const SIZE: usize = 96;
const WALL_PERCENT: usize = 24;
const STOP_SPACING: usize = 4;

pub struct Grid {
    cost: Vec<i64>,
}

/// The result of a search; `cells` is empty where there is no way.
#[derive(Default)]
struct Way {
    cells: Vec<usize>,
    cost: i64,
    expanded: usize,
}

impl Grid {
    pub fn generate(prng: &mut Prng) -> Self {
        let mut cost = |cell: usize| {
            let (x, y) = (cell % SIZE, cell / SIZE);
            let stop = x.is_multiple_of(STOP_SPACING) && y.is_multiple_of(STOP_SPACING);
            if prng.below(100) >= WALL_PERCENT || stop {
                1 + prng.below(9) as i64
            } else {
                0
            }
        };
        Self {
            cost: (0..SIZE * SIZE).map(&mut cost).collect(),
        }
    }

    /// A* with the Manhattan distance, admissible because no cell costs less than 1. The open
    /// list orders by estimate, then cell: no two ways to break a tie, so both sides walk alike.
    fn shortest(&self, from: usize, to: usize) -> Way {
        let mut way = Way::default();
        if self.cost[from] == 0 || self.cost[to] == 0 {
            return way;
        }
        let mut best = vec![i64::MAX; self.cost.len()];
        let mut parent = vec![from; self.cost.len()];
        let mut closed = vec![false; self.cost.len()];
        best[from] = 0;
        let mut open = BinaryHeap::from([Reverse((distance(from, to), from))]);
        while let Some(Reverse((_, cell))) = open.pop() {
            if closed[cell] {
                continue;
            }
            closed[cell] = true;
            way.expanded += 1;
            if cell == to {
                way.cost = best[to];
                way.cells = trace(&parent, from, to);
                return way;
            }
            for next in neighbours(cell) {
                if self.cost[next] == 0 || closed[next] {
                    continue;
                }
                let cost = best[cell] + self.cost[next];
                if cost < best[next] {
                    best[next] = cost;
                    parent[next] = cell;
                    open.push(Reverse((cost + distance(next, to), next)));
                }
            }
        }
        way
    }
}

/// The cells above, left, right and below that are on the grid.
fn neighbours(cell: usize) -> impl Iterator<Item = usize> {
    let (x, y) = (cell % SIZE, cell / SIZE);
    [
        (y > 0).then(|| cell - SIZE),
        (x > 0).then(|| cell - 1),
        (x < SIZE - 1).then(|| cell + 1),
        (y < SIZE - 1).then(|| cell + SIZE),
    ]
    .into_iter()
    .flatten()
}

fn distance(a: usize, b: usize) -> i64 {
    ((a % SIZE).abs_diff(b % SIZE) + (a / SIZE).abs_diff(b / SIZE)) as i64
}

fn trace(parent: &[usize], from: usize, to: usize) -> Vec<usize> {
    let mut cells = vec![to];
    let mut cell = to;
    while cell != from {
        cell = parent[cell];
        cells.push(cell);
    }
    cells.reverse();
    cells
}

#[derive(Deserialize, Serialize)]
struct Point {
    x: i64,
    y: i64,
}

#[derive(Deserialize)]
pub struct RouteRequest {
    from: Point,
    to: Point,
}

#[derive(Serialize)]
pub struct RouteResponse {
    reachable: bool,
    cost: i64,
    expanded: usize,
    path: Vec<Point>,
}

pub async fn route(
    State(app): Shared,
    _: User,
    Json(request): Json<RouteRequest>,
) -> Result<Json<RouteResponse>, ApiError> {
    let cells = cell_at(&request.from).zip(cell_at(&request.to));
    let (from, to) = cells.ok_or_else(|| ApiError::bad_request("x and y must be 0 to 95"))?;
    let mut way = app.catalogue.grid.shortest(from, to);
    if app.defects.has(Defect::Race) {
        way.cost = through_scratch(&app, way.cost).await;
    }
    let path = way.cells.iter().map(|cell| Point {
        x: (cell % SIZE) as i64,
        y: (cell / SIZE) as i64,
    });
    Ok(Json(RouteResponse {
        reachable: !way.cells.is_empty(),
        cost: way.cost,
        expanded: way.expanded,
        path: path.collect(),
    }))
}

fn cell_at(point: &Point) -> Option<usize> {
    let x = usize::try_from(point.x).ok().filter(|x| *x < SIZE)?;
    let y = usize::try_from(point.y).ok().filter(|y| *y < SIZE)?;
    Some(y * SIZE + x)
}

/// The defect: a value is kept in state that all requests share while this one waits.
async fn through_scratch(app: &App, cost: i64) -> i64 {
    app.scratch.store(cost, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(2)).await;
    app.scratch.load(Ordering::SeqCst)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every cell costs 1, but for a wall from the left edge to the last column.
    fn walled() -> Grid {
        let mut cost = vec![1; SIZE * SIZE];
        cost[SIZE..2 * SIZE - 1].fill(0);
        Grid { cost }
    }

    #[test]
    fn goes_round_a_wall() {
        let way = walled().shortest(0, 2 * SIZE);
        assert_eq!(way.cost, 2 * SIZE as i64);
        assert_eq!(way.cells.len(), 2 * SIZE + 1);
        assert_eq!((way.cells[0], way.cells[2 * SIZE]), (0, 2 * SIZE));
    }

    #[test]
    fn finds_no_way_into_a_wall() {
        let way = walled().shortest(0, SIZE);
        assert!(way.cells.is_empty());
    }

    #[test]
    fn costs_what_its_cells_cost() {
        let grid = Grid::generate(&mut Prng::new(42, 4));
        let free: Vec<usize> = (0..SIZE * SIZE).filter(|n| grid.cost[*n] > 0).collect();
        let way = grid.shortest(free[10], free[free.len() - 10]);
        let entered: i64 = way.cells.iter().skip(1).map(|cell| grid.cost[*cell]).sum();
        assert_eq!(way.cost, entered);
    }
}
