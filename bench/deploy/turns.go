package main

import (
	"context"
	"fmt"
	"os"
	"slices"
)

// inTurns is what two tools do again on one emulator.
const inTurns = "again, in turns"

// pairs is how often for each round.
const pairs = 20

// turns has both tools do again, one after the other on one emulator, what they
// did: one emulator differs from the next by more than what there is to be seen.
func (b *bench) turns(ctx context.Context, s *setting, all results) error {
	fmt.Fprintln(os.Stderr, inTurns)
	e, err := b.start(ctx, s, false)
	if err != nil {
		return err
	}
	defer e.close()
	dirs := make([]string, len(s.turns))
	for i := range s.turns {
		if dirs[i], err = s.folder(); err != nil {
			return err
		}
		defer os.RemoveAll(dirs[i])
		if _, err := s.turns[i].phase(first).run(ctx, dirs[i], e); err != nil {
			return fmt.Errorf("%s: %w", s.turns[i].name, err)
		}
	}
	for n := range 2 + b.rounds*pairs {
		for i := range s.turns {
			t := (n + i) % len(s.turns)
			got, err := s.turns[t].phase(again).run(ctx, dirs[t], e)
			if err != nil {
				return fmt.Errorf("%s: %w", s.turns[t].name, err)
			}
			if n >= 2 { // the first find nothing in memory
				all.at(s.turns[t].name, inTurns).timed = append(all.at(s.turns[t].name, inTurns).timed, got.Usage)
			}
		}
	}
	return nil
}

// pairwise is the median of one tool's time by the other's beside it.
func (r results) pairwise(tool, peer string) float64 {
	mine, theirs := r.at(tool, inTurns).timed, r.at(peer, inTurns).timed
	ratios := make([]float64, len(mine))
	for i := range mine {
		ratios[i] = mine[i].Wall.Seconds() / theirs[i].Wall.Seconds()
	}
	slices.Sort(ratios)
	return (ratios[(len(ratios)-1)/2] + ratios[len(ratios)/2]) / 2
}
