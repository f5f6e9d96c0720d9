package celcond_test

import "testing"

func BenchmarkHolds(b *testing.B) {
	for name, expression := range map[string]string{
		"method":  `request.method == "POST"`,
		"address": `inCIDR(client, "10.0.0.0/8")`,
		"claim":   `has(principal.claims.department) && principal.claims.department == "billing"`,
		"role":    `principal.claims.roles.exists(r, r == "ops")`,
		"pattern": `request.path.matches("^/orders/[0-9]+$")`,
	} {
		b.Run(name, func(b *testing.B) {
			c, x := newCondition(b, expression), request()
			b.ReportAllocs()
			for b.Loop() {
				if ok, err := c.Holds(x); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		newCondition(b, `has(principal.claims.department) && principal.claims.department == "billing"`)
	}
}
