package expr

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"axle"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// accountType and hubType are the types of the variables account and hub.
const (
	accountType = "account"
	hubType     = "hub"
)

// account is the value of the variable account.
type account struct {
	*axle.Account
	// lenient: a missing tag is "". In selections; in values it is an error.
	lenient bool
}

// hub is the value of the variable hub.
type hub struct {
	account account
	region  string
}

// field is a field of one of our types.
type field struct {
	typ *types.Type
	get func(object any) any
}

// structs are our types, by name and field.
var structs = map[string]map[string]field{
	accountType: {
		"id":         accountField(types.StringType, func(a *account) any { return a.ID }),
		"name":       accountField(types.StringType, func(a *account) any { return a.Name }),
		"email":      accountField(types.StringType, func(a *account) any { return a.Email }),
		"ou":         accountField(types.StringType, func(a *account) any { return a.OU }),
		"ou_ids":     accountField(types.NewListType(types.StringType), func(a *account) any { return a.OUIDs }),
		"status":     accountField(types.StringType, func(a *account) any { return a.status() }),
		"management": accountField(types.BoolType, func(a *account) any { return a.Management }),
		"joined":     accountField(types.TimestampType, func(a *account) any { return a.Joined }),
		"tags":       accountField(tagsType(), func(a *account) any { return a.tags("tag", a.Tags) }),
		"ou_tags":    accountField(tagsType(), func(a *account) any { return a.tags("inherited tag", a.OUTags) }),
	},
	hubType: {
		"account": {types.NewObjectType(accountType), func(o any) any {
			if h, ok := o.(*hub); ok {
				return &h.account
			}
			return types.NewErr("not the hub: %T", o)
		}},
		"region": {types.StringType, func(o any) any {
			if h, ok := o.(*hub); ok {
				return h.region
			}
			return types.NewErr("not the hub: %T", o)
		}},
	},
}

func tagsType() *types.Type { return types.NewMapType(types.StringType, types.StringType) }

func accountField(typ *types.Type, get func(*account) any) field {
	return field{typ, func(o any) any {
		if a, ok := o.(*account); ok {
			return get(a)
		}
		return types.NewErr("not an account: %T", o)
	}}
}

// status is never empty: an account from a list that has no statuses is active.
func (a *account) status() string {
	if a.Status == "" {
		return "ACTIVE"
	}
	return a.Status
}

func (a *account) tags(kind string, m map[string]string) any {
	return tags{Mapper: types.NewStringStringMap(types.DefaultTypeAdapter, m), m: m, kind: kind, of: a}
}

// fields returns the names of a type's fields, sorted.
func fields(typ string) []string {
	return slices.Sorted(maps.Keys(structs[typ]))
}

// provider adds our types to CEL's own.
type provider struct{ types.Provider }

func (p provider) FindStructType(name string) (*types.Type, bool) {
	if _, ok := structs[name]; ok {
		return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
	}
	return p.Provider.FindStructType(name)
}

func (p provider) FindStructFieldNames(name string) ([]string, bool) {
	if _, ok := structs[name]; ok {
		return fields(name), true
	}
	return p.Provider.FindStructFieldNames(name)
}

func (p provider) FindStructFieldType(name, fieldName string) (*types.FieldType, bool) {
	s, ok := structs[name]
	if !ok {
		return p.Provider.FindStructFieldType(name, fieldName)
	}
	f, ok := s[fieldName]
	if !ok {
		return nil, false
	}
	return &types.FieldType{
		Type: f.typ,
		IsSet: func(o any) bool {
			v := reflect.ValueOf(f.get(o))
			return v.IsValid() && !v.IsZero()
		},
		GetFrom: func(o any) (any, error) {
			v := f.get(o)
			if err, ok := v.(*types.Err); ok {
				return nil, err
			}
			return v, nil
		},
	}, true
}

// getField reads a field whose type CEL doesn't know, as in dyn(account).name.
func getField(typ string, o any, index ref.Val) ref.Val {
	name, ok := index.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(index)
	}
	f, ok := structs[typ][string(name)]
	if !ok {
		return types.NewErr("no such field: %s", name)
	}
	return types.DefaultTypeAdapter.NativeToValue(f.get(o))
}

func (a *account) Get(index ref.Val) ref.Val { return getField(accountType, a, index) }
func (a *account) Type() ref.Type            { return types.NewObjectType(accountType) }
func (a *account) Value() any                { return a }
func (a *account) ConvertToNative(t reflect.Type) (any, error) {
	return nil, fmt.Errorf("an account can't become %v", t)
}
func (a *account) ConvertToType(t ref.Type) ref.Val { return convert(a, t) }
func (a *account) Equal(other ref.Val) ref.Val {
	o, ok := other.(*account)
	return types.Bool(ok && o.ID == a.ID)
}

func (h *hub) Get(index ref.Val) ref.Val { return getField(hubType, h, index) }
func (h *hub) Type() ref.Type            { return types.NewObjectType(hubType) }
func (h *hub) Value() any                { return h }
func (h *hub) ConvertToNative(t reflect.Type) (any, error) {
	return nil, fmt.Errorf("the hub can't become %v", t)
}
func (h *hub) ConvertToType(t ref.Type) ref.Val { return convert(h, t) }
func (h *hub) Equal(other ref.Val) ref.Val {
	o, ok := other.(*hub)
	return types.Bool(ok && o.account.ID == h.account.ID && o.region == h.region)
}

func convert(v ref.Val, t ref.Type) ref.Val {
	if t == types.TypeType {
		return v.Type().(*types.Type)
	}
	return types.NewErr("%s can't become %s", v.Type().TypeName(), t.TypeName())
}

// tags are an account's tags. They know whose they are, for the message when
// one is missing.
type tags struct {
	traits.Mapper
	m    map[string]string
	kind string
	of   *account
}

// Iterator implements traits.Iterable, in order.
func (t tags) Iterator() traits.Iterator { return sorted(t.m) }

// Find implements traits.Mapper.
func (t tags) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		return t.Mapper.Find(key)
	}
	if v, ok := t.m[string(name)]; ok {
		return types.String(v), true
	}
	if t.of.lenient {
		return types.String(""), true
	}
	return types.WrapErr(&missing{
		key:     string(name),
		summary: fmt.Sprintf("account %s has no %s %q", t.of.Label(), t.kind, string(name)),
		hint:    "tag the account, leave it out of the targets, or give a value for accounts without the tag",
	}), false
}

// Get implements traits.Mapper.
func (t tags) Get(key ref.Val) ref.Val {
	v, found := t.Find(key)
	if v == nil && !found {
		return types.NewErr("no such key: %v", key)
	}
	return v
}

// missing is an error about something that isn't there, with what to do.
type missing struct{ key, summary, hint string }

func (m *missing) Error() string { return m.summary }
