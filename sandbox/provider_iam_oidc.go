package sandbox

import "slices"

// oidcTypeProvider makes identity providers; Ref gives the ARN.
func oidcTypeProvider() provider {
	return provider{
		properties: map[string]property{"Url": replaces, "ClientIdList": mutable, "ThumbprintList": mutable, "Tags": mutable},
		attributes: []string{"Arn"},
		name:       "Url",
		tags:       "Tags",
		create:     createOIDCResource,
		update:     updateOIDCResource,
		remove: func(rc *resourceCall) error {
			_, err := rc.do("iam", "DeleteOpenIDConnectProvider", params{"OpenIDConnectProviderArn": rc.PhysicalID})
			return err
		},
	}
}

func createOIDCResource(rc *resourceCall) (string, map[string]any, error) {
	if rc.Props.str("Url") == "" { // optional in the schema, and needed all the same
		return "", nil, fail("ValidationError", "Url is required to create an OIDC provider")
	}
	in := rc.pass("Url", "ThumbprintList")
	if rc.Props.has("ClientIdList") {
		in["ClientIDList"] = rc.Props["ClientIdList"]
	}
	in["Tags"] = rc.tagList(rc.Props["Tags"])
	out, err := rc.do("iam", "CreateOpenIDConnectProvider", in)
	if err != nil {
		return "", nil, err
	}
	arn := text(out["OpenIDConnectProviderArn"])
	attrs := map[string]any{"Arn": arn}
	rc.noteTags(attrs)
	return arn, attrs, nil
}

func updateOIDCResource(rc *resourceCall) (map[string]any, error) {
	arn := params{"OpenIDConnectProviderArn": rc.PhysicalID}
	was, wanted := rc.OldProps.strs("ClientIdList"), rc.Props.strs("ClientIdList")
	change := func(op string, from, notIn []string) error {
		for _, id := range from {
			if slices.Contains(notIn, id) {
				continue
			}
			if _, err := rc.do("iam", op, params{"OpenIDConnectProviderArn": rc.PhysicalID, "ClientID": id}); err != nil {
				return err
			}
		}
		return nil
	}
	if err := change("AddClientIDToOpenIDConnectProvider", wanted, was); err != nil {
		return nil, err
	}
	if err := change("RemoveClientIDFromOpenIDConnectProvider", was, wanted); err != nil {
		return nil, err
	}
	if list := rc.Props.strs("ThumbprintList"); len(list) > 0 && !slices.Equal(list, rc.OldProps.strs("ThumbprintList")) {
		in := params{"OpenIDConnectProviderArn": rc.PhysicalID, "ThumbprintList": rc.Props["ThumbprintList"]}
		if _, err := rc.do("iam", "UpdateOpenIDConnectProviderThumbprint", in); err != nil {
			return nil, err
		}
	}
	attrs := map[string]any{"Arn": rc.PhysicalID}
	return attrs, rc.retagBy("iam", "TagOpenIDConnectProvider", "UntagOpenIDConnectProvider", arn, attrs)
}
