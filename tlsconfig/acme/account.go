package acme

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
)

// accountKeys are where the account of the configured address lies.
func (i *issuer) accountKeys() (record, key, lock string) {
	folder := "accounts/" + i.key + "/" + certmagic.StorageKeys.Safe(cmp.Or(i.manager.cfg.Email, "nobody"))
	return folder + "/account.json", folder + "/account.key", "account_" + i.key
}

// account loads the account, or registers one; of several processes that share
// the folder, one does.
func (i *issuer) account(ctx context.Context, client *acme.Client) (acme.Account, error) {
	account, err := i.loadAccount(ctx)
	if !errors.Is(err, fs.ErrNotExist) {
		return account, err
	}
	_, _, lock := i.accountKeys()
	if err := i.storage.Lock(ctx, lock); err != nil {
		return acme.Account{}, fmt.Errorf("acme: the folder cannot be locked: %w", err)
	}
	defer i.storage.Unlock(context.WithoutCancel(ctx), lock) //nolint:errcheck // a lock that stays grows stale within seconds
	if account, err := i.loadAccount(ctx); !errors.Is(err, fs.ErrNotExist) {
		return account, err // another process was first
	}
	return i.register(ctx, client)
}

func (i *issuer) loadAccount(ctx context.Context) (account acme.Account, err error) {
	record, key, _ := i.accountKeys()
	text, err := i.storage.Load(ctx, record)
	if err != nil {
		return account, err
	}
	if err := json.Unmarshal(text, &account); err != nil {
		return account, fmt.Errorf("acme: the stored account cannot be read: %w", err)
	}
	pem, err := i.storage.Load(ctx, key)
	if err != nil {
		return account, err
	}
	account.PrivateKey, err = certmagic.PEMDecodePrivateKey(pem)
	return account, err
}

// register makes an account (RFC 8555, section 7.3).
func (i *issuer) register(ctx context.Context, client *acme.Client) (acme.Account, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return acme.Account{}, err
	}
	account := acme.Account{TermsOfServiceAgreed: i.manager.cfg.AgreeToTerms, PrivateKey: key}
	if i.manager.cfg.Email != "" {
		account.Contact = []string{"mailto:" + i.manager.cfg.Email}
	}
	if account, err = client.NewAccount(ctx, account); err != nil {
		return account, fmt.Errorf("registering an account: %w", err)
	}
	text, err := json.Marshal(account)
	if err != nil {
		return account, err
	}
	pem, err := certmagic.PEMEncodePrivateKey(key)
	if err != nil {
		return account, err
	}
	recordAt, keyAt, _ := i.accountKeys()
	// The key first: a record without one would be asked for again and again.
	return account, errors.Join(i.storage.Store(ctx, keyAt, pem), i.storage.Store(ctx, recordAt, text))
}

// forgetAccount removes an account that the authority does not know any more.
func (i *issuer) forgetAccount(ctx context.Context) error {
	record, key, _ := i.accountKeys()
	return errors.Join(i.storage.Delete(ctx, record), i.storage.Delete(ctx, key))
}
