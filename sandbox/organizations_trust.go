package sandbox

import (
	"time"

	"axle/internal/late"
)

func orgTrustOps() map[string]operation {
	return map[string]operation{
		"EnableAWSServiceAccess":              {run: enableService},
		"DisableAWSServiceAccess":             {run: disableService},
		"ListAWSServiceAccessForOrganization": {run: listServices},
		"RegisterDelegatedAdministrator":      {run: registerDelegate, resources: onOrg("AccountId")},
		"DeregisterDelegatedAdministrator":    {run: deregisterDelegate, resources: onOrg("AccountId")},
		"ListDelegatedAdministrators":         {run: listDelegates},
		"ListDelegatedServicesForAccount":     {run: listDelegatedServices, resources: onOrg("AccountId")},
	}
}

var servicePrincipals = late.MustCompile(`^[a-z0-9.-]+\.amazonaws\.com$`)

func (c *call) servicePrincipal() (string, error) {
	if err := c.need("ServicePrincipal"); err != nil {
		return "", err
	}
	p := c.In.str("ServicePrincipal")
	if !servicePrincipals.MatchString(p) {
		return "", orgInvalid("UNRECOGNIZED_SERVICE_PRINCIPAL", "You specified an unrecognized service principal.")
	}
	return p, nil
}

func enableService(c *call) (obj, error) {
	p, err := c.servicePrincipal()
	if err != nil {
		return nil, err
	}
	if _, on := c.st.Org.Trusted[p]; !on {
		c.st.Org.Trusted[p] = c.now()
	}
	return nil, nil
}

func disableService(c *call) (obj, error) {
	p, err := c.servicePrincipal()
	if err != nil {
		return nil, err
	}
	delete(c.st.Org.Trusted, p)
	return nil, nil
}

func listServices(c *call) (obj, error) {
	return orgPage(c, "EnabledServicePrincipals", sortedKeys(c.st.Org.Trusted), same, func(p string) obj {
		return obj{"ServicePrincipal": p, "DateEnabled": c.st.Org.Trusted[p]}
	})
}

func registerDelegate(c *call) (obj, error) {
	m, err := c.member()
	if err != nil {
		return nil, err
	}
	p, err := c.servicePrincipal()
	if err != nil {
		return nil, err
	}
	_, already := c.st.Org.Delegates[m.ID][p]
	switch {
	case m.ID == c.st.Org.Management:
		return nil, violation("CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR", "You cannot register master account/yourself as delegated administrator for your organization.")
	case m.State != "ACTIVE":
		return nil, violation("CANNOT_REGISTER_SUSPENDED_ACCOUNT_AS_DELEGATED_ADMINISTRATOR", "You cannot register a suspended account as a delegated administrator.")
	case already:
		return nil, fail("AccountAlreadyRegisteredException", "The provided account is already a delegated administrator for your organization.")
	}
	if _, on := c.st.Org.Trusted[p]; !on {
		c.st.Org.Trusted[p] = c.now()
	}
	if c.st.Org.Delegates[m.ID] == nil {
		c.st.Org.Delegates[m.ID] = map[string]time.Time{}
	}
	c.st.Org.Delegates[m.ID][p] = c.now()
	return nil, nil
}

func deregisterDelegate(c *call) (obj, error) {
	m, err := c.member()
	if err != nil {
		return nil, err
	}
	p, err := c.servicePrincipal()
	if err != nil {
		return nil, err
	}
	if _, ok := c.st.Org.Delegates[m.ID][p]; !ok {
		return nil, fail("AccountNotRegisteredException", "The provided account is not a registered delegated administrator for your organization.")
	}
	delete(c.st.Org.Delegates[m.ID], p)
	if len(c.st.Org.Delegates[m.ID]) == 0 {
		delete(c.st.Org.Delegates, m.ID)
	}
	return nil, nil
}

func listDelegates(c *call) (obj, error) {
	principal := c.In.str("ServicePrincipal")
	var ids []string
	for _, id := range sortedKeys(c.st.Org.Delegates) {
		if _, ok := c.st.Org.Delegates[id][principal]; ok || principal == "" {
			ids = append(ids, id)
		}
	}
	return orgPage(c, "DelegatedAdministrators", ids, same, func(id string) obj {
		out := c.showAccount(id)
		delete(out, "Paths")
		for _, since := range c.st.Org.Delegates[id] {
			if first, ok := out["DelegationEnabledDate"].(time.Time); !ok || since.Before(first) {
				out["DelegationEnabledDate"] = since
			}
		}
		return out
	})
}

func listDelegatedServices(c *call) (obj, error) {
	m, err := c.member()
	if err != nil {
		return nil, err
	}
	services := c.st.Org.Delegates[m.ID]
	if len(services) == 0 {
		return nil, fail("AccountNotRegisteredException", "The provided account is not a registered delegated administrator for your organization.")
	}
	return orgPage(c, "DelegatedServices", sortedKeys(services), same, func(p string) obj {
		return obj{"ServicePrincipal": p, "DelegationEnabledDate": services[p]}
	})
}
