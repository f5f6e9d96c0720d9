package authn_test

import (
	"testing"

	"github.com/warder-dev/warder/internal/attack"
)

// TestAttackCases ties the tables of this package to the catalogue.
func TestAttackCases(t *testing.T) {
	for _, c := range []struct {
		id  string
		run func(*testing.T)
	}{
		{"MULTI-01", TestNothing},
		{"MULTI-01", TestChallengesAreFieldLines},
		{"MULTI-02", TestOr},
		{"MULTI-03", TestAnd},
		{"MULTI-04", TestOptional},
		{"MULTI-05", TestAStoreThatIsAway},
		{"MULTI-06", TestScopes},
		{"MULTI-07", TestOptional},
		{"MULTI-07", TestNewRefuses},
		{"MULTI-08", TestTheSameRequestAThousandTimes},
		{"MULTI-09", TestNewRefuses},
		{"MULTI-10", TestOptional},
		{"MULTI-11", TestOneFieldForKeyAndToken},
		{"MULTI-12", TestPrincipalsOfTwoIssuers},
	} {
		attack.Case(t, c.id, attack.Library, c.run)
	}
}
