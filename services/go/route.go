package main

import (
	"container/heap"
	"net/http"
	"slices"
)

// The warehouse floor is a grid; a cell costs 1 to 9 to enter, 0 is a wall. Every fourth cell
// of every fourth row is a stop, which is never a wall.
const (
	gridSize    = 96
	wallPercent = 24
	stopSpacing = 4
)

type grid struct{ cost [gridSize * gridSize]int64 }

func newGrid(r *prng) *grid {
	g := &grid{}
	for cell := range g.cost {
		x, y := cell%gridSize, cell/gridSize
		stop := x%stopSpacing == 0 && y%stopSpacing == 0
		if r.below(100) >= wallPercent || stop {
			g.cost[cell] = int64(1 + r.below(9))
		}
	}
	return g
}

// step is an entry of the open list.
type step struct {
	estimate int64
	cell     int
}

// openList orders by estimate, then cell: no two ways to break a tie, so both sides walk alike.
type openList []step

func (l openList) Len() int { return len(l) }
func (l openList) Less(i, j int) bool {
	if l[i].estimate != l[j].estimate {
		return l[i].estimate < l[j].estimate
	}
	return l[i].cell < l[j].cell
}
func (l openList) Swap(i, j int) { l[i], l[j] = l[j], l[i] }
func (l *openList) Push(x any)   { *l = append(*l, x.(step)) }
func (l *openList) Pop() any {
	old := *l
	last := old[len(old)-1]
	*l = old[:len(old)-1]
	return last
}

// way is the result of a search; cells is nil where there is none.
type way struct {
	cells    []int
	cost     int64
	expanded int
}

// shortest is A* with the Manhattan distance, admissible because no cell costs less than 1.
func (g *grid) shortest(from, to int) way {
	var result way
	if g.cost[from] == 0 || g.cost[to] == 0 {
		return result
	}
	best := make([]int64, len(g.cost))
	parent := make([]int, len(g.cost))
	closed := make([]bool, len(g.cost))
	for cell := range best {
		best[cell] = -1
	}
	best[from] = 0
	open := &openList{{estimate: distance(from, to), cell: from}}
	for open.Len() > 0 {
		cell := heap.Pop(open).(step).cell
		if closed[cell] {
			continue
		}
		closed[cell] = true
		result.expanded++
		if cell == to {
			result.cost = best[to]
			result.cells = trace(parent, from, to)
			return result
		}
		for _, next := range neighbours(cell) {
			if next < 0 || g.cost[next] == 0 || closed[next] {
				continue
			}
			cost := best[cell] + g.cost[next]
			if best[next] < 0 || cost < best[next] {
				best[next], parent[next] = cost, cell
				heap.Push(open, step{estimate: cost + distance(next, to), cell: next})
			}
		}
	}
	return result
}

// neighbours is up, left, right, down; -1 beyond the edge.
func neighbours(cell int) [4]int {
	x, y := cell%gridSize, cell/gridSize
	around := [4]int{cell - gridSize, cell - 1, cell + 1, cell + gridSize}
	if y == 0 {
		around[0] = -1
	}
	if x == 0 {
		around[1] = -1
	}
	if x == gridSize-1 {
		around[2] = -1
	}
	if y == gridSize-1 {
		around[3] = -1
	}
	return around
}

func distance(a, b int) int64 {
	dx, dy := a%gridSize-b%gridSize, a/gridSize-b/gridSize
	return int64(max(dx, -dx) + max(dy, -dy))
}

func trace(parent []int, from, to int) []int {
	cells := []int{to}
	for cell := to; cell != from; {
		cell = parent[cell]
		cells = append(cells, cell)
	}
	slices.Reverse(cells)
	return cells
}

// Point is a cell of the grid.
type Point struct {
	X int `json:"x"`
	Y int `json:"y"`
}

// RouteRequest is the body of POST /v1/route.
type RouteRequest struct {
	From Point `json:"from"`
	To   Point `json:"to"`
}

// RouteResponse is the answer of POST /v1/route.
type RouteResponse struct {
	Reachable bool    `json:"reachable"`
	Cost      int64   `json:"cost"`
	Expanded  int     `json:"expanded"`
	Path      []Point `json:"path"`
}

func (s *server) route(w http.ResponseWriter, r *http.Request, _ string) {
	var request RouteRequest
	if !readJSON(w, r, &request) {
		return
	}
	from, ok := cellAt(request.From)
	to, ok2 := cellAt(request.To)
	if !ok || !ok2 {
		writeError(w, http.StatusBadRequest, "x and y must be 0 to 95")
		return
	}
	found := s.grid.shortest(from, to)
	response := RouteResponse{Reachable: found.cells != nil, Cost: found.cost, Expanded: found.expanded}
	for _, cell := range found.cells {
		response.Path = append(response.Path, Point{X: cell % gridSize, Y: cell / gridSize})
	}
	writeJSON(w, http.StatusOK, response)
}

func cellAt(p Point) (int, bool) {
	ok := p.X >= 0 && p.X < gridSize && p.Y >= 0 && p.Y < gridSize
	return p.Y*gridSize + p.X, ok
}
