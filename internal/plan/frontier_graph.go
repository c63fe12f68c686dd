package plan

import (
	"fmt"
	"slices"
	"strings"

	"axle"
)

// GraphError says why steps don't make a graph that can be run.
type GraphError struct {
	// Step is the id that the error is about.
	Step string
	// Need is the id that Step needs and that doesn't exist; else empty.
	Need string
	// Cycle leads from a step over what each needs back to the same step.
	Cycle []string
}

func (e *GraphError) Error() string {
	switch {
	case len(e.Cycle) > 0:
		return "steps need each other: " + strings.Join(e.Cycle, " -> ")
	case e.Need != "":
		return fmt.Sprintf("step %s needs %s, which is not among the steps", e.Step, e.Need)
	}
	return fmt.Sprintf("two steps have the id %s", e.Step)
}

// graph is who needs whom, by the steps' numbers.
type graph struct {
	needs []int32 // how many needs, by step
	first []int32 // where the dependants of a step begin in next
	next  []int32
}

func (g *graph) dependants(i int32) []int32 { return g.next[g.first[i]:g.first[i+1]] }

func indexSteps(steps []axle.Step) (map[string]int32, error) {
	index := make(map[string]int32, len(steps))
	for i := range steps {
		if _, ok := index[steps[i].ID]; ok {
			return nil, &GraphError{Step: steps[i].ID}
		}
		index[steps[i].ID] = int32(i)
	}
	return index, nil
}

// newGraph turns ids into edges, and returns the height of each step: how many
// steps the longest chain has that waits for it.
func newGraph(steps []axle.Step, index map[string]int32) (graph, []int32, error) {
	n := len(steps)
	g := graph{needs: make([]int32, n), first: make([]int32, n+1)}
	var edges int
	for i := range steps {
		edges += len(steps[i].Needs)
	}
	flat := make([]int32, 0, edges)
	for i := range steps {
		g.needs[i] = int32(len(steps[i].Needs))
		for _, id := range steps[i].Needs {
			on, ok := index[id]
			if !ok {
				return g, nil, &GraphError{Step: steps[i].ID, Need: id}
			}
			flat = append(flat, on)
			g.first[on+1]++
		}
	}
	for i := range n {
		g.first[i+1] += g.first[i]
	}
	g.next = make([]int32, edges)
	at := slices.Clone(g.first[:n])
	k := 0
	for i := range steps {
		for range steps[i].Needs {
			on := flat[k]
			k++
			g.next[at[on]] = int32(i)
			at[on]++
		}
	}
	sorted, left := g.sort()
	if len(sorted) < n {
		return g, nil, &GraphError{Cycle: cycleAmong(steps, index, left)}
	}
	heights := make([]int32, n)
	for _, i := range slices.Backward(sorted) {
		for _, d := range g.dependants(i) {
			heights[i] = max(heights[i], heights[d]+1)
		}
	}
	return g, heights, nil
}

// sort orders the steps so that needs come first. On a cycle some are missing;
// left tells for each step how many of its needs are.
func (g *graph) sort() (sorted, left []int32) {
	left = slices.Clone(g.needs)
	sorted = make([]int32, 0, len(left))
	for i, n := range left {
		if n == 0 {
			sorted = append(sorted, int32(i))
		}
	}
	for k := 0; k < len(sorted); k++ {
		for _, d := range g.dependants(sorted[k]) {
			left[d]--
			if left[d] == 0 {
				sorted = append(sorted, d)
			}
		}
	}
	return sorted, left
}

// cycleAmong walks along needs that couldn't be sorted until it comes back.
func cycleAmong(steps []axle.Step, index map[string]int32, left []int32) []string {
	i := int32(slices.IndexFunc(left, func(n int32) bool { return n > 0 }))
	seen := make(map[int32]int)
	var path []string
	for {
		if at, ok := seen[i]; ok {
			return append(path[at:], steps[i].ID)
		}
		seen[i] = len(path)
		path = append(path, steps[i].ID)
		for _, id := range steps[i].Needs {
			if on := index[id]; left[on] > 0 {
				i = on
				break
			}
		}
	}
}

// startingOrder ranks the steps: what ran already, then by height, the highest
// first, then as they are listed.
func startingOrder(heights []int32, running map[int32]bool) (rank, order []int32) {
	order = make([]int32, len(heights))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int {
		if running[a] != running[b] {
			if running[a] {
				return -1
			}
			return 1
		}
		return int(heights[b] - heights[a])
	})
	rank = make([]int32, len(heights))
	for r, i := range order {
		rank[i] = int32(r)
	}
	return rank, order
}
