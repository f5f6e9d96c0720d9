package login

import (
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/exchange"
)

// setUp tells what a link sets.
func (d *Door) setUp(c *call) error {
	var sent struct {
		Link typed `json:"link"`
	}
	if err := d.read(c, &sent); err != nil {
		return err
	}
	offer, err := d.people.Offer(c.r.Context(), sent.Link.Text, c.from)
	if err != nil {
		return err
	}
	return d.answer(c, viewOffer(offer))
}

// finish sets what a link is for. It begins no session: whoever set a password is to
// type it once more.
func (d *Door) finish(c *call) error {
	var sent struct {
		Link     typed  `json:"link"`
		Password typed  `json:"password,omitzero"`
		Offer    typed  `json:"offer,omitzero"`
		Code     string `json:"code,omitzero"`
	}
	if err := d.read(c, &sent); err != nil {
		return err
	}
	_, codes, err := d.people.Finish(c.r.Context(), sent.Link.Text, c.from, account.Finish{
		Password: sent.Password.Text, Offer: sent.Offer.Text, Code: sent.Code,
	})
	if err != nil {
		return err
	}
	return d.answer(c, viewCodes(codes))
}

// changePassword sets another password; all other sessions end. A session that was
// left open is no reason to lock its person out, so that the old one is asked for.
func (d *Door) changePassword(c *call) error {
	var sent struct {
		Old      typed `json:"old"`
		Password typed `json:"password"`
	}
	if err := d.read(c, &sent); err != nil {
		return err
	}
	by, me, err := d.actor(c)
	if err != nil {
		return err
	}
	if !by.Fresh {
		return account.ErrStale // before a password is looked at
	}
	switch old, err := d.password(c, me.Name, sent.Old); {
	case err != nil:
		return err
	case old.ID != me.ID:
		return d.answers.ended // the name went to somebody else
	}
	a, err := d.people.ChangePassword(c.r.Context(), by, sent.Password.Text)
	if err != nil {
		return d.unlessGone(err)
	}
	p := principalOf(&a, claims(&a, me.Factor.Enrolled(), time.Now()), exchange.Principal{})
	return d.again(c, &a, me.Factor.Enrolled(), d.viewOf(&p, &a))
}

// offerFactor offers another authenticator.
func (d *Door) offerFactor(c *call) error {
	if err := d.read(c, &struct{}{}); err != nil {
		return err
	}
	by, _, err := d.actor(c)
	if err != nil {
		return err
	}
	offer, err := d.people.OfferFactor(c.r.Context(), by)
	if err != nil {
		return d.unlessGone(err)
	}
	return d.answer(c, viewOffer(offer))
}

// enrolFactor puts the authenticator that was offered in the place of the one before.
func (d *Door) enrolFactor(c *call) error {
	var sent struct {
		Offer typed  `json:"offer"`
		Code  string `json:"code"`
	}
	if err := d.read(c, &sent); err != nil {
		return err
	}
	by, _, err := d.actor(c)
	if err != nil {
		return err
	}
	a, codes, err := d.people.Enrol(c.r.Context(), by, sent.Offer.Text, sent.Code)
	if err != nil {
		return d.unlessGone(err)
	}
	return d.again(c, &a, true, viewCodes(codes))
}

// renewRecovery makes new recovery codes.
func (d *Door) renewRecovery(c *call) error {
	if err := d.read(c, &struct{}{}); err != nil {
		return err
	}
	by, _, err := d.actor(c)
	if err != nil {
		return err
	}
	_, codes, err := d.people.RenewRecovery(c.r.Context(), by)
	if err != nil {
		return d.unlessGone(err)
	}
	return d.answer(c, viewCodes(codes))
}
