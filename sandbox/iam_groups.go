package sandbox

import (
	"slices"
	"strings"
)

// iamGroup is a group; users know which ones they are in.
type iamGroup struct {
	iamPrincipal
}

func groupOps() map[string]operation {
	on := onGroup
	ops := map[string]operation{
		"CreateGroup":         {run: createIAMGroup, resources: func(c *call) []string { return []string{c.groupARN(c.In.or("Path", "/"))} }},
		"GetGroup":            {run: getGroup, resources: on},
		"ListGroups":          {run: listIAMGroups, resources: onPath("group")},
		"DeleteGroup":         {run: deleteIAMGroup, resources: on},
		"AddUserToGroup":      {run: addToGroup, resources: on},
		"RemoveUserFromGroup": {run: removeFromGroup, resources: on},
		"ListGroupsForUser":   {run: listGroupsForUser, resources: onUser},
	}
	for name, op := range principalOps("Group") {
		if strings.HasSuffix(name, "Policy") || strings.HasSuffix(name, "Policies") { // no tags, no boundary
			ops[name] = op
		}
	}
	return ops
}

func (c *call) groupARN(path string) string {
	return "arn:aws:iam::" + c.Account.ID + ":group" + path + c.In.str("GroupName")
}

func onGroup(c *call) []string {
	if g := c.Account.IAM.Groups[c.In.str("GroupName")]; g != nil {
		return []string{g.ARN}
	}
	return []string{c.groupARN("/")}
}

// group finds the group that the call names.
func (c *call) group() (*iamGroup, error) {
	name := c.In.str("GroupName")
	if err := checkName("GroupName", name, 128); err != nil {
		return nil, err
	}
	if g := c.Account.IAM.Groups[name]; g != nil {
		return g, nil
	}
	return nil, iamFail("NoSuchEntity", "The group with name %s cannot be found.", name)
}

func (c *call) groupPrincipal() (*iamPrincipal, error) {
	g, err := c.group()
	if err != nil {
		return nil, err
	}
	return &g.iamPrincipal, nil
}

func createIAMGroup(c *call) (obj, error) {
	name := c.In.str("GroupName")
	if err := checkName("GroupName", name, 128); err != nil {
		return nil, err
	}
	path, err := checkPath(c.In)
	if err != nil {
		return nil, err
	}
	if takenName(c.Account.IAM.Groups, name) {
		return nil, iamFail("EntityAlreadyExists", "Group with name %s already exists.", name)
	}
	if c.Account.IAM.Groups == nil {
		c.Account.IAM.Groups = map[string]*iamGroup{}
	}
	g := &iamGroup{c.newPrincipal(c.Account.ID, "group", "AGPA", name, path)}
	c.Account.IAM.Groups[name] = g
	return obj{"Group": showGroup(g)}, nil
}

func showGroup(g *iamGroup) obj {
	return obj{"GroupName": g.Name, "GroupId": g.ID, "Arn": g.ARN, "Path": g.Path, "CreateDate": g.Created}
}

// users are the names of those in the group.
func (st *iamState) users(group string) []string {
	var names []string
	for _, name := range sortedKeys(st.Users) {
		if slices.Contains(st.Users[name].Groups, group) {
			names = append(names, name)
		}
	}
	return names
}

func getGroup(c *call) (obj, error) {
	g, err := c.group()
	if err != nil {
		return nil, err
	}
	out, err := iamPage(c, "Users", c.Account.IAM.users(g.Name), same, func(name string) any {
		shown := showUser(c.Account.IAM.Users[name])
		delete(shown, "Tags")
		delete(shown, "PermissionsBoundary")
		return shown
	})
	if err != nil {
		return nil, err
	}
	out["Group"] = showGroup(g)
	return out, nil
}

func listIAMGroups(c *call) (obj, error) {
	var groups []*iamGroup
	for _, name := range sortedKeys(c.Account.IAM.Groups) {
		if g := c.Account.IAM.Groups[name]; strings.HasPrefix(g.Path, c.In.or("PathPrefix", "/")) {
			groups = append(groups, g)
		}
	}
	return iamPage(c, "Groups", groups, func(g *iamGroup) string { return g.Name }, func(g *iamGroup) any { return showGroup(g) })
}

func deleteIAMGroup(c *call) (obj, error) {
	g, err := c.group()
	switch {
	case err != nil:
		return nil, err
	case len(c.Account.IAM.users(g.Name)) > 0:
		return nil, iamFail("DeleteConflict", "Cannot delete entity, must remove users from group first.")
	case len(g.Attached) > 0:
		return nil, iamFail("DeleteConflict", "Cannot delete entity, must detach all policies first.")
	case len(g.Inline) > 0:
		return nil, iamFail("DeleteConflict", "Cannot delete entity, must delete policies first.")
	}
	delete(c.Account.IAM.Groups, g.Name)
	return nil, nil
}

// maxGroups is how many groups a user can be in.
const maxGroups = 10

func addToGroup(c *call) (obj, error) {
	g, err := c.group()
	if err != nil {
		return nil, err
	}
	u, err := c.user()
	switch {
	case err != nil:
		return nil, err
	case slices.Contains(u.Groups, g.Name):
		return nil, nil
	case len(u.Groups) >= maxGroups:
		return nil, iamFail("LimitExceeded", "Cannot exceed quota for GroupsPerUser: %d", maxGroups)
	}
	u.Groups = append(u.Groups, g.Name)
	slices.Sort(u.Groups)
	return nil, nil
}

func removeFromGroup(c *call) (obj, error) {
	g, err := c.group()
	if err != nil {
		return nil, err
	}
	u, err := c.user()
	if err != nil {
		return nil, err
	}
	i := slices.Index(u.Groups, g.Name)
	if i < 0 {
		return nil, iamFail("NoSuchEntity", "The user with name %s is not in group %s.", u.Name, g.Name)
	}
	u.Groups = slices.Delete(slices.Clone(u.Groups), i, i+1)
	return nil, nil
}

func listGroupsForUser(c *call) (obj, error) {
	u, err := c.user()
	if err != nil {
		return nil, err
	}
	return iamPage(c, "Groups", u.Groups, same, func(name string) any { return showGroup(c.Account.IAM.Groups[name]) })
}

// holders are the principal itself and, for a user, its groups: whose identity
// policies hold for it.
func (st *iamState) holders(who *iamPrincipal) []*iamPrincipal {
	all := []*iamPrincipal{who}
	if u := st.Users[who.Name]; u != nil && u.ID == who.ID {
		for _, name := range u.Groups {
			if g := st.Groups[name]; g != nil {
				all = append(all, &g.iamPrincipal)
			}
		}
	}
	return all
}
