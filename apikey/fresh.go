package apikey

import "time"

// FreshUntil returns until when what a verification says now may be kept elsewhere
// without holding longer than in the verifier's own cache: Freshness after the newest
// poll that was answered began. It is zero, or past, when the cache is not believed.
// Ask before the verification: a poll that ends meanwhile may know more than it did.
func (v *Verifier) FreshUntil() time.Time {
	confirmed := v.confirmed.Load()
	if confirmed == nil {
		return time.Time{}
	}
	return confirmed.Add(v.cfg.Freshness)
}
