package sandbox

// OrgFile is the organization file of DESIGN.md section 5.
type OrgFile struct{}
