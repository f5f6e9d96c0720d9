package audit

import "context"

// Holds reports whether the log that r reads goes on from h: whether it has the
// entry h.Seq, with h.Hash, which stands for all before it too. It does not when
// the database was put back to an earlier state, is another one, or when the entry
// was changed. Every log goes on from the zero Head. An error means that r gave no
// answer.
func Holds(ctx context.Context, r Reader, h Head) (bool, error) {
	if h.Seq == 0 {
		return true, nil
	}
	entries, err := r.List(ctx, Query{After: h.Seq - 1, Limit: 1})
	if err != nil {
		return false, err
	}
	return len(entries) == 1 && entries[0].Head() == h, nil
}
