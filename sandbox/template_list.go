package sandbox

import (
	"math/big"
	"net/netip"
	"strconv"
	"strings"
)

// listFunction serves the intrinsics that take a list of arguments.
func (e *evaluation) listFunction(name string, arg any) (any, error) {
	args, ok := arg.([]any)
	if !ok {
		return nil, invalid("Template error: every %s object requires a list of parameters", name)
	}
	vals := make([]any, len(args))
	for i, a := range args {
		v, err := e.value(a)
		if err != nil {
			return nil, err
		}
		vals[i] = v
	}
	switch name {
	case "Fn::Join":
		return join(vals)
	case "Fn::Select":
		return selectAt(vals)
	case "Fn::Split":
		return split(vals)
	}
	return cidrBlocks(vals)
}

func join(vals []any) (any, error) {
	const want = "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined."
	if len(vals) != 2 {
		return nil, invalid(want)
	}
	if isUnknown(vals) {
		return unknown{}, nil
	}
	sep, ok := vals[0].(string)
	list, isList := vals[1].([]any)
	if !ok || !isList {
		return nil, invalid(want)
	}
	for _, v := range list {
		switch v.(type) {
		case []any, map[string]any:
			return nil, invalid(want)
		}
	}
	return joinText(list, sep), nil
}

func selectAt(vals []any) (any, error) {
	if len(vals) != 2 {
		return nil, invalid("Template error: Fn::Select requires a list argument with two elements: an integer index and a list")
	}
	if isUnknown(vals[0]) {
		return unknown{}, nil
	}
	if _, dark := vals[1].(unknown); dark {
		return unknown{}, nil
	}
	i, err := strconv.Atoi(scalarText(vals[0]))
	list, ok := vals[1].([]any)
	if err != nil || !ok {
		return nil, invalid("Template error: Fn::Select requires a list argument with two elements: an integer index and a list")
	}
	if i < 0 || i >= len(list) {
		return nil, invalid("Template error: Fn::Select cannot select nonexistent value at index %d", i)
	}
	return list[i], nil
}

func split(vals []any) (any, error) {
	if isUnknown(vals) {
		return unknown{}, nil
	}
	if len(vals) != 2 {
		return nil, invalid("Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split or a function that returns a string to be split.")
	}
	sep, ok := vals[0].(string)
	if _, isList := vals[1].([]any); !ok || sep == "" || isList {
		return nil, invalid("Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split or a function that returns a string to be split.")
	}
	var out []any
	for _, part := range strings.Split(scalarText(vals[1]), sep) {
		out = append(out, part)
	}
	return out, nil
}

// cidrBlocks is Fn::Cidr: count subnets of 2^bits addresses from a block.
func cidrBlocks(vals []any) (any, error) {
	if isUnknown(vals) {
		return unknown{}, nil
	}
	if len(vals) < 2 || len(vals) > 3 {
		return nil, invalid("Template error: every Fn::Cidr object requires two or three parameters: the ip block, the count and the cidr bits")
	}
	block, err := netip.ParsePrefix(scalarText(vals[0]))
	if err != nil {
		return nil, invalid("Template error: Fn::Cidr: %s is not a valid CIDR block", scalarText(vals[0]))
	}
	count, err := strconv.Atoi(scalarText(vals[1]))
	if err != nil || count < 1 || count > 256 {
		return nil, invalid("Template error: Fn::Cidr: count must be a number between 1 and 256")
	}
	bits := 0
	if len(vals) == 3 {
		if bits, err = strconv.Atoi(scalarText(vals[2])); err != nil {
			return nil, invalid("Template error: Fn::Cidr: cidrBits must be a number")
		}
	} else if !block.Addr().Is4() {
		return nil, invalid("Template error: Fn::Cidr: cidrBits is required for IPv6")
	}
	size := block.Addr().BitLen()
	if len(vals) == 2 {
		for bits = size - block.Bits(); bits > 0 && 1<<(size-block.Bits()-bits) < count; bits-- {
		}
	}
	room := size - block.Bits() - bits
	if bits < 1 || room < 0 || room < 31 && count > 1<<room {
		return nil, invalid("Template error: Fn::Cidr: the block %s has no room for %d blocks with %d bits", block, count, bits)
	}
	out := make([]any, count)
	base := new(big.Int).SetBytes(block.Masked().Addr().AsSlice())
	for i := range out {
		at := new(big.Int).Add(base, new(big.Int).Lsh(big.NewInt(int64(i)), uint(bits)))
		addr, _ := netip.AddrFromSlice(at.FillBytes(make([]byte, size/8)))
		out[i] = netip.PrefixFrom(addr, size-bits).String()
	}
	return out, nil
}
