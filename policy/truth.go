package policy

// truth is three-valued: a condition on a key whose value isn't known may hold
// or not. Conjunction is min, disjunction is max.
type truth uint8

const (
	no truth = iota
	maybe
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

func (t truth) not() truth { return yes - t }
