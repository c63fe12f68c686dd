package plan

import "axle"

// A lane holds the steps of one target that may start, first come by rank; those
// of a rollout have one of their own there. It
// is in exactly one place: open, parked at a full pool, or nowhere when empty.
type lane struct {
	ready ranks
	pools [4]int32 // of its account, region, target and rollout; -1 for no limit
	at    int32    // atOpen, atNone or the pool where it is parked
}

const (
	atNone int32 = -2
	atOpen int32 = -1
)

// is says whether the lane is at that place with that first step. Heaps hold
// entries that no longer are: a lane that moved leaves its old entry behind.
func (l *lane) is(at, rank int32) bool {
	return l.at == at && len(l.ready) > 0 && l.ready[0].rank == rank
}

// A pool is what a limit counts.
type pool struct {
	limit, used int32
	parked      ranks
}

// makeLanes sorts the steps into lanes and gives these their pools.
func (f *Frontier) makeLanes(steps []axle.Step) {
	f.lane = make([]int32, len(steps))
	type place struct {
		axle.Target
		rollout int32
	}
	lanes := make(map[place]int32)
	accounts, regions, targets := make(map[string]int32), make(map[string]int32), make(map[string]int32)
	shared := func(of map[string]int32, key string, limit int) int32 {
		if limit <= 0 || key == "" {
			return -1
		}
		p, ok := of[key]
		if !ok {
			p = f.newPool(limit)
			of[key] = p
		}
		return p
	}
	for i := range steps {
		t := steps[i].Target()
		at := place{t, f.rolloutOf(int32(i))}
		if f.isGate(int32(i)) > 0 {
			t, at = axle.Target{}, place{rollout: -2}
		}
		n, ok := lanes[at]
		if !ok {
			n = int32(len(f.lanes))
			lanes[at] = n
			own := int32(-1)
			if f.limits.PerTarget > 0 && at.rollout > -2 {
				own = shared(targets, t.String(), f.limits.PerTarget)
			}
			f.lanes = append(f.lanes, lane{at: atNone, pools: [4]int32{
				shared(accounts, t.Account, f.limits.PerAccount),
				shared(regions, t.Region, f.limits.PerRegion),
				own, f.rolloutPool(at.rollout),
			}})
		}
		f.lane[i] = n
	}
}

func (f *Frontier) newPool(limit int) int32 {
	f.pools = append(f.pools, pool{limit: int32(limit)})
	return int32(len(f.pools) - 1)
}

// ready puts a step into its lane. A lane that has a new first step is looked
// at again, wherever it was.
func (f *Frontier) ready(i int32) {
	n := f.lane[i]
	l := &f.lanes[n]
	l.ready.push(entry{rank: f.rank[i]})
	if l.ready[0].rank == f.rank[i] {
		l.at = atOpen
		f.open.push(entry{f.rank[i], n})
	}
}

// prune drops from the front of an open lane what a halt has kept from running.
// It says whether the lane has to be looked at anew.
func (f *Frontier) prune(n int32) bool {
	l := &f.lanes[n]
	if f.status[f.order[l.ready[0].rank]] == statePending {
		return false
	}
	for len(l.ready) > 0 && f.status[f.order[l.ready[0].rank]] != statePending {
		l.ready.pop()
	}
	if len(l.ready) > 0 {
		f.open.push(entry{l.ready[0].rank, n})
	} else {
		l.at = atNone
		f.wake(l)
	}
	return true
}

// full returns a pool of the lane that has no place left, or -1.
func (f *Frontier) full(l *lane) int32 {
	for _, p := range l.pools {
		if p >= 0 && f.pools[p].used >= f.pools[p].limit {
			return p
		}
	}
	return -1
}

// release gives a step's places back, and each to one lane that waits for it.
func (f *Frontier) release(i int32) {
	f.gates -= f.isGate(i)
	l := &f.lanes[f.lane[i]]
	for _, p := range l.pools {
		if p >= 0 {
			f.pools[p].used--
		}
	}
	f.wake(l)
}

// wake opens one parked lane at each pool of l that has a place. It is called
// whenever a place becomes free and whenever a lane leaves open, which keeps
// this true: while a pool has both places and parked lanes, one of its lanes
// is open.
func (f *Frontier) wake(l *lane) {
	for _, n := range l.pools {
		if n < 0 {
			continue
		}
		p := &f.pools[n]
		for p.used < p.limit && len(p.parked) > 0 {
			e := p.parked.pop()
			if f.lanes[e.lane].is(n, e.rank) {
				f.lanes[e.lane].at = atOpen
				f.open.push(e)
				break
			}
		}
	}
}

// An entry is a lane with the rank of its first step, or a step's rank alone.
type entry struct{ rank, lane int32 }

// ranks is a binary heap, the lowest rank first.
type ranks []entry

func (h *ranks) push(e entry) {
	*h = append(*h, e)
	s := *h
	for i := len(s) - 1; i > 0; {
		up := (i - 1) / 2
		if s[up].rank <= s[i].rank {
			return
		}
		s[up], s[i] = s[i], s[up]
		i = up
	}
}

func (h *ranks) pop() entry {
	s := *h
	top, last := s[0], len(s)-1
	s[0] = s[last]
	s = s[:last]
	*h = s
	for i := 0; ; {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < last; c++ {
			if s[c].rank < s[least].rank {
				least = c
			}
		}
		if least == i {
			return top
		}
		s[i], s[least] = s[least], s[i]
		i = least
	}
}
