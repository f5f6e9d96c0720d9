package main

import (
	"bytes"
	"os/exec"
	"testing"
)

// uncalled are methods of the standard library that nothing calls, of types that are
// in every program: they are there when the linker keeps all exported methods.
var uncalled = []string{ //nolint:gochecknoglobals // a table
	"net/netip.Addr.IsInterfaceLocalMulticast", "math/big.(*Int).Binomial", "math/big.(*Int).ModSqrt", "reflect.Value.FieldByNameFunc", "bytes.(*Buffer).Cap", "time.Time.ISOWeek",
}

// TestTheLinkerDropsMethods finds a call of reflect's MethodByName, or Method, with what
// the linker does not know: templates do that. Then every exported method of every
// package stays, 20 MB and 8 MiB of an idle process.
func TestTheLinkerDropsMethods(t *testing.T) {
	program, err := exec.LookPath("warder")
	if err != nil {
		t.Fatal(err)
	}
	if has := symbols(t, program, "main.main", "net/http.(*Server).Serve"); has != 2 {
		t.Fatalf("the program has %d of 2 symbols: nothing can be told of others", has)
	}
	if n := symbols(t, program, uncalled...); n > len(uncalled)/2 { // some may be called one day
		t.Errorf("%d of %d methods that nothing calls are in the program: something calls reflect.Value.MethodByName with a name that is no constant, such as html/template or text/template (go build -ldflags=-dumpdep . 2>&1 | grep ReflectMethod)", n, len(uncalled))
	}
}

// symbols counts those of the names that a program has.
func symbols(t *testing.T, program string, names ...string) (n int) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "tool", "nm", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if bytes.Contains(out, []byte(" "+name+"\n")) {
			n++
		}
	}
	return n
}
