package policy

import (
	"fmt"
	"math/big"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// number is a decimal number of a numeric condition.
type number struct {
	near float64
	// exact is set when near may not be: numbers with more digits than a
	// float64 holds are compared as they are written.
	exact *big.Rat
}

const (
	exactDigits = 15    // a float64 holds as many decimal digits
	maxNumber   = 1_000 // characters
)

// parseNumber reads an integer or a decimal, perhaps with an exponent of up to
// three digits.
func parseNumber(s string) (number, error) {
	s = strings.TrimSpace(s)
	problem := func() (number, error) { return number{}, fmt.Errorf("%q isn't a number", abridge(s)) }
	mantissa, exponent, hasExponent := strings.Cut(strings.TrimLeft(s, "+-"), "e")
	if !hasExponent {
		mantissa, exponent, hasExponent = strings.Cut(mantissa, "E")
	}
	digits := strings.Trim(mantissa, "0123456789")
	if (digits != "" && digits != ".") || len(mantissa) == len(digits) || len(s) > maxNumber || (hasExponent && !isExponent(exponent)) {
		return problem()
	}
	near, err := strconv.ParseFloat(s, 64)
	if err == nil && !hasExponent && len(mantissa) <= exactDigits {
		return number{near: near}, nil
	}
	exact, ok := new(big.Rat).SetString(s)
	if !ok {
		return problem()
	}
	return number{exact: exact}, nil
}

func isExponent(s string) bool {
	s = strings.TrimPrefix(strings.TrimPrefix(s, "+"), "-")
	return s != "" && len(s) <= 3 && strings.Trim(s, "0123456789") == ""
}

// compare says how n is to other.
func (n *number) compare(other *number) order {
	if n.exact == nil && other.exact == nil {
		switch {
		case n.near < other.near:
			return less
		case n.near > other.near:
			return greater
		}
		return equal
	}
	return orderOf(n.rat().Cmp(other.rat()))
}

func (n *number) rat() *big.Rat {
	if n.exact != nil {
		return n.exact
	}
	// The shortest decimal that is near is the one that was written.
	r, _ := new(big.Rat).SetString(strconv.FormatFloat(n.near, 'f', -1, 64))
	return r
}

func orderOf(sign int) order {
	switch {
	case sign < 0:
		return less
	case sign > 0:
		return greater
	}
	return equal
}

func parseBool(s string) (bool, error) {
	switch {
	case strings.EqualFold(s, "true"):
		return true, nil
	case strings.EqualFold(s, "false"):
		return false, nil
	}
	return false, fmt.Errorf("%q isn't true or false", abridge(s))
}

// parseTime reads one of W3C's ISO 8601 formats or seconds since 1970.
func parseTime(s string) (time.Time, error) {
	const far = 1 << 53 // seconds beyond this aren't exact in AWS's JSON
	if secs, err := strconv.ParseInt(s, 10, 64); err == nil && len(s) != 4 {
		if secs > far || secs < -far {
			return time.Time{}, fmt.Errorf("%q isn't a date", abridge(s))
		}
		return time.Unix(secs, 0), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02", "2006-01", "2006"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q isn't a date", abridge(s))
}

// parsePrefix reads an address or a range. An IPv4 range that is written as
// part of IPv6 (::ffff:10.0.0.0/104) is the IPv4 range.
func parsePrefix(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q isn't an address or a range in CIDR notation", abridge(s))
	}
	a = a.Unmap()
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// abridge cuts a text that is too long for a message.
func abridge(s string) string {
	if len(s) <= 200 {
		return s
	}
	return strings.ToValidUTF8(s[:200], "") + "..."
}
