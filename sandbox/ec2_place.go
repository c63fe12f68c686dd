package sandbox

import (
	"slices"
	"strings"
)

func ec2PlaceOperations() map[string]operation {
	return map[string]operation{
		"DescribeRegions":           {run: describeRegions},
		"DescribeAvailabilityZones": {run: describeAvailabilityZones},
		"DescribeAccountAttributes": {run: describeAccountAttributes},
	}
}

// describeRegions lists the regions that the account may use, with AllRegions
// those too that it would have to opt in to.
func describeRegions(c *call) (obj, error) {
	names := c.In.strs("RegionName")
	for _, n := range names {
		if c.Account.regionStatus(n) == "" {
			return nil, fail("InvalidParameterValue", "Invalid region name: [ %s ]", n)
		}
	}
	type filter struct {
		name   string
		accept func(string) bool
	}
	var filters []filter
	for _, f := range c.In.list("Filter") {
		switch f.str("Name") {
		case "endpoint", "region-name", "opt-in-status":
		default:
			return nil, fail("InvalidParameterValue", "The filter '%s' is invalid", f.str("Name"))
		}
		filters = append(filters, filter{f.str("Name"), anyOf(f.strs("Value"))})
	}
	out := []obj{}
	for _, r := range awsRegions {
		name, status := r.name, c.Account.optInStatus(r.name)
		if len(names) > 0 && !slices.Contains(names, name) ||
			status == "not-opted-in" && !c.In.bool("AllRegions") && len(names) == 0 {
			continue
		}
		o := obj{"regionName": name, "regionEndpoint": "ec2." + name + ".amazonaws.com", "optInStatus": status}
		fits := true
		for _, f := range filters {
			field := map[string]string{"endpoint": "regionEndpoint", "region-name": "regionName", "opt-in-status": "optInStatus"}[f.name]
			fits = fits && f.accept(text(o[field]))
		}
		if fits {
			out = append(out, o)
		}
	}
	return obj{"regionInfo": out}, nil
}

// zonePrefix is how the ids of a region's zones begin: eu-west-1 has euw1-az1,
// ap-northeast-1 apne1-az1, me-south-1 mes1-az1, sa-east-1 sae1-az1.
func zonePrefix(region string) string {
	parts := strings.Split(region, "-")
	if len(parts) != 3 {
		return region
	}
	return parts[0] + directions[parts[1]] + parts[2]
}

// directions are the middles of region names as zone ids shorten them.
var directions = map[string]string{"north": "n", "south": "s", "east": "e", "west": "w", "central": "c",
	"northeast": "ne", "southeast": "se", "northwest": "nw", "southwest": "sw"}

// optInStatus is a region's standing as EC2 words it.
func (a *account) optInStatus(region string) string {
	switch a.regionStatus(region) {
	case "ENABLED_BY_DEFAULT":
		return "opt-in-not-required"
	case "ENABLED", "DISABLING":
		return "opted-in"
	}
	return "not-opted-in"
}

// zoneLetters are the zones of a region; most have three.
func zoneLetters(region string) string {
	switch region {
	case "us-east-1":
		return "abcdef"
	case "us-west-2", "ap-northeast-2":
		return "abcd"
	case "us-west-1":
		return "ac"
	case "ap-northeast-1":
		return "acd"
	case "ca-central-1":
		return "abd"
	}
	return "abc"
}

// zones are the names of a region's availability zones.
func zones(region string) []string {
	var out []string
	for _, l := range zoneLetters(region) {
		out = append(out, region+string(l))
	}
	return out
}

// zoneID is a zone's id. In AWS each account has its own mapping of names to
// ids; here they are in order in every account.
func zoneID(zone string) string {
	region := zone[:len(zone)-1]
	i := strings.IndexByte(zoneLetters(region), zone[len(zone)-1])
	return zonePrefix(region) + "-az" + text(i+1)
}

// chooseZone finds the zone that an input names, the first one if it names none.
func (c *call) chooseZone(name, id string) (string, error) {
	all := zones(c.Region)
	if name == "" && id == "" {
		return all[0], nil
	}
	for _, z := range all {
		if z == name && id == "" || name == "" && zoneID(z) == id {
			return z, nil
		}
	}
	param, value := "availabilityZone", name
	if name == "" {
		param, value = "availabilityZoneId", id
	}
	return "", fail("InvalidParameterValue", "Value (%s) for parameter %s is invalid. Subnets can currently only be created in the following availability zones: %s.",
		value, param, strings.Join(all, ", "))
}

// availabilityZone is one zone, as DescribeAvailabilityZones lists them.
type availabilityZone struct{ name string }

func describeAvailabilityZones(c *call) (obj, error) {
	all := map[string]*availabilityZone{}
	names, ids := c.In.strs("ZoneName"), c.In.strs("ZoneId")
	known := zones(c.Region)
	for _, n := range names {
		if !slices.Contains(known, n) {
			return nil, fail("InvalidParameterValue", "Invalid availability zone: [%s]", n)
		}
	}
	for _, z := range known {
		if (len(names) == 0 || slices.Contains(names, z)) && (len(ids) == 0 || slices.Contains(ids, zoneID(z))) {
			all[z] = &availabilityZone{z}
		}
	}
	group := func(*availabilityZone) []string { return one(c.Region + "-zg-1") }
	return describe(c, listing[availabilityZone]{
		set: "availabilityZoneInfo", all: all, tagless: true,
		show: func(z *availabilityZone) obj {
			return obj{"zoneName": z.name, "zoneId": zoneID(z.name), "zoneState": "available", "regionName": c.Region,
				"zoneType": "availability-zone", "optInStatus": "opt-in-not-required", "groupName": c.Region + "-zg-1",
				"networkBorderGroup": c.Region, "messageSet": []obj{}}
		},
		filters: map[string]func(*availabilityZone) []string{
			"zone-name":     func(z *availabilityZone) []string { return one(z.name) },
			"zone-id":       func(z *availabilityZone) []string { return one(zoneID(z.name)) },
			"region-name":   func(*availabilityZone) []string { return one(c.Region) },
			"state":         func(*availabilityZone) []string { return one("available") },
			"zone-state":    func(*availabilityZone) []string { return one("available") },
			"zone-type":     func(*availabilityZone) []string { return one("availability-zone") },
			"opt-in-status": func(*availabilityZone) []string { return one("opt-in-not-required") },
			"group-name":    group,
		},
	})
}

// describeAccountAttributes answers with AWS's defaults; the sandbox has no
// default VPC, as accounts of many organizations have none.
func describeAccountAttributes(c *call) (obj, error) {
	values := map[string]string{"supported-platforms": "VPC", "default-vpc": "none", "max-instances": "20",
		"vpc-max-security-groups-per-interface": "5", "max-elastic-ips": "5", "vpc-max-elastic-ips": "5"}
	names := c.In.strs("AttributeName")
	for _, n := range names {
		if values[n] == "" {
			return nil, fail("InvalidParameterValue", "Value (%s) for parameter attributeName is invalid.", n)
		}
	}
	out := []obj{}
	for _, n := range sortedKeys(values) {
		if len(names) == 0 || slices.Contains(names, n) {
			out = append(out, obj{"attributeName": n, "attributeValueSet": []obj{{"attributeValue": values[n]}}})
		}
	}
	return obj{"accountAttributeSet": out}, nil
}

// dhcpOptions is the id of the region's default DHCP options.
func (c *call) dhcpOptions() string {
	st := c.ec2()
	if st.DHCP == "" {
		st.DHCP = "dopt-0" + c.id(16)
	}
	return st.DHCP
}

// dhcpSet is the region's only set of DHCP options.
type dhcpSet struct{ id string }

func describeDHCPOptions(c *call) (obj, error) {
	id := c.dhcpOptions()
	domain := c.Region + ".compute.internal"
	if c.Region == "us-east-1" {
		domain = "ec2.internal"
	}
	return describe(c, listing[dhcpSet]{
		set: "dhcpOptionsSet", param: "DhcpOptionsId", prefix: "dopt-", all: map[string]*dhcpSet{id: {id}},
		show: func(d *dhcpSet) obj {
			entry := func(key, value string) obj {
				return obj{"key": key, "valueSet": []obj{{"value": value}}}
			}
			return obj{"dhcpOptionsId": d.id, "ownerId": c.Account.ID, "dhcpConfigurationSet": []obj{
				entry("domain-name", domain), entry("domain-name-servers", "AmazonProvidedDNS")}}
		},
		filters: map[string]func(*dhcpSet) []string{
			"dhcp-options-id": func(d *dhcpSet) []string { return one(d.id) },
			"owner-id":        func(*dhcpSet) []string { return one(c.Account.ID) },
		},
	})
}
