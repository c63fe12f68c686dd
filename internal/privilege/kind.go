// Package privilege computes the least permissions with which a project's
// stacks can be created, changed, rolled back and deleted: templates in, policy
// documents out. What a resource type takes is in a table that is written by
// hand from the Service Authorization Reference; of types that aren't in it the
// caller may give the permissions that their schemas name, else they are
// reported as gaps. It is pure: it calls nobody, and it grants nothing that it
// can't give a reason for.
package privilege

// kind is what CloudFormation needs, with the permissions it works with, to
// handle resources of one type.
//
// A list of actions is separated by spaces. An action is on the resource
// itself, or, after an @, on others (joined by +): "vpc" is
// SERVICE:{r}:{a}:vpc/*, "*" is everything, for actions that have no resource
// type, and a text with colons is an ARN without "arn:PARTITION:". In ARNs {r},
// {a}, {n} are region, account and name, and {Property} is a property's value,
// or the ARN of the resource that it refers to.
type kind struct {
	self  string // the resource's own ARNs; {n}, or ids that can't be foreseen: *
	name  string // the property that names it
	made  string // names that CloudFormation makes: {S}-{L}-* when empty, S the stack, L the logical id
	lower bool   // made names are in lower case
	limit int    // the longest name, if made names may have to be shortened to it

	create, read, update, delete, tag string
	when                              []when
	pass                              []pass
}

// when are actions that are called only for resources with one of the properties.
type when struct{ properties, actions string }

// pass is a property with a role that is handed to a service.
type pass struct{ property, service string }

// kindTables are all tables of types.
func kindTables() []map[string]kind {
	return []map[string]kind{networkKinds, dataKinds, identityKinds, computeKinds, serverlessKinds}
}

// kindOf finds a type in the table.
func kindOf(name string) (kind, bool) {
	for _, table := range kindTables() {
		if k, ok := table[name]; ok {
			return k, true
		}
	}
	return kind{}, false
}

// lists are the actions that are needed for every resource of the type.
func (k *kind) lists() []string { return []string{k.create, k.read, k.update, k.delete, k.tag} }
