package access

// Planned are the principals and resource policies that templates declare.
type Planned struct{}

func (p *Planned) over(live *Account) *Account { return live }
func (p *Planned) owner(arn string) string     { return "" }
func (p *Planned) overResource(arn, account string, live *Resource, err error) (*Resource, error) {
	return live, err
}
