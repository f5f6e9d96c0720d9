package keyimport_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/keyimport"
)

// shown is what a test compares of an entry.
func shown(e keyimport.Entry) string {
	text := e.At + " text=" + e.Text.Reveal()
	if e.Format != "" {
		text = fmt.Sprintf("%s %s=%x", e.At, e.Format, e.Digest[:4])
	}
	add := func(name, value string) {
		if value != "" {
			text += " " + name + "=" + value
		}
	}
	add("name", e.Name)
	add("owner", e.Owner)
	add("env", string(e.Environment))
	add("plan", e.Plan)
	add("scopes", strings.Join(e.Scopes, ","))
	if !e.Expires.IsZero() {
		add("expires", e.Expires.Format(time.RFC3339))
	}
	if e.Disabled {
		text += " disabled"
	}
	for _, q := range e.Limits {
		add("limit", fmt.Sprintf("%s:%d/%v", q.Name, q.Count, q.Per))
	}
	for _, name := range slices.Sorted(maps.Keys(e.Metadata)) {
		add(name, e.Metadata[name])
	}
	add("left", strings.Join(e.Left, ","))
	return text
}

// read returns the entries and the errors of a file, in order.
func read(format keyimport.Format, text string) (all []string) {
	for e, err := range keyimport.Read(format, strings.NewReader(text)) {
		if err != nil {
			all = append(all, "error: "+err.Error())
			continue
		}
		all = append(all, shown(e))
	}
	return all
}

const (
	sum256 = "a665a45920422f9d417e4867efdc4fb8a04a1f3fff1fa07e998e86f7f7a27ae3"
	sum64  = "pmWkWSBCL51Bfkhn79xPuKBKHz//H6B+mY6G9/eieuM="
)

func TestRead(t *testing.T) {
	const kongYAML = `
_format_version: "3.0"
services: [{name: orders, url: "http://h", routes: [{name: r, paths: [/]}]}]
consumers:
- username: alice
  custom_id: "42"
  tags: [gold]
  groups: [{name: admins}]
  keyauth_credentials:
  - key: alice-key-one
    id: cred-1
  - key: alice-key-two
    tags: [old]
- username: bob
  keyauth_credentials: [{key: "{vault://env/bob}"}, {key: ""}, {key: k, ttl: 60}, {key: k, surprise: 1}, {key: 5}]
- username: nobody
`
	kong := []string{
		"consumers[0].keyauth_credentials[0] text=alice-key-one name=alice owner=42 kong_id=cred-1 tags=gold left=groups",
		"consumers[0].keyauth_credentials[1] text=alice-key-two name=alice owner=42 tags=gold old left=groups",
		"error: consumers[1].keyauth_credentials[0]: key: names a secret that is kept elsewhere: export it with its value",
		"error: consumers[1].keyauth_credentials[1]: key: is missing",
		"error: consumers[1].keyauth_credentials[2]: ttl: counts from a moment that the file does not tell: give the key an expiry after the import, or take the field out",
		`error: consumers[1].keyauth_credentials[3]: the entry: has the field "surprise", which is not known`,
		"error: consumers[1].keyauth_credentials[4]: key: is a number, want a string",
	}
	tests := []struct {
		name   string
		format keyimport.Format
		text   string
		want   []string
	}{
		{"kong, YAML", keyimport.Kong, strings.ReplaceAll(kongYAML, "{vault://", "{vault:"), kong},
		{
			"kong, JSON, keys beside their consumers", keyimport.Kong,
			`{"_format_version":"1.1","plugins":[{"deep":[{"er":{}}]}],"keyauth_credentials":[{"key":"a","consumer":{"username":"alice"}},{"key":"b","consumer":"bob"}]}`,
			[]string{"keyauth_credentials[0] text=a owner=alice", "keyauth_credentials[1] text=b owner=bob"},
		},
		{
			"tyk, a list", keyimport.Tyk,
			`[{"key_id":"t1","data":{"alias":"one","org_id":"acme","expires":4102444800,"is_inactive":true,"meta_data":{"team":"x","n":3},"tags":["a"],"rate":10,"access_rights":{"api":{}}}},
			{"key_hash":"` + sum256 + `","data":{"expires":-1,"quota_max":-1}},{"key_hash":"0102030405060708","data":{}},{"key_hash":"zz","data":{}},{"data":{}},{"key":"a","key_id":"b"},7]`,
			[]string{
				"keys[0] text=t1 name=one owner=acme expires=2100-01-01T00:00:00Z disabled n=3 tags=a team=x left=access_rights,rate",
				"keys[1] sha256=a665a459",
				"error: keys[2]: key_hash: is a murmur hash, which proves nothing: other texts have it too; export the texts, or make new keys",
				"error: keys[3]: key_hash: want the SHA-256 of the key in hex",
				"error: keys[4]: key_id: is missing",
				"error: keys[5]: key_id: is another text than key",
				"error: keys[6]: the key: cannot be read: want key_id or key_hash, and the session as data",
			},
		},
		{"tyk, wrapped", keyimport.Tyk, `{"pages": 1, "keys": [{"key_id":"t1","data":{}}]}`, []string{"keys[0] text=t1"}},
		{"tyk, one to a line", keyimport.Tyk, "{\"key_id\":\"t1\",\"data\":{\"apply_policies\":[\"p\"]}}\n{\"key_id\":\"t2\"}\n", []string{"keys[0] text=t1 tyk_policies=p", "keys[1] text=t2"}},
		{
			"apisix, the Admin API", keyimport.APISIX,
			`{"total":3,"list":[{"key":"/apisix/consumers/jack","createdIndex":1,"value":{"username":"jack","desc":"d","labels":{"team":"x"},"plugins":{"key-auth":{"key":"auth-one"},"limit-count":{}}}},
			{"key":"/apisix/consumers/jack/credentials/c1","value":{"id":"c1","plugins":{"key-auth":{"key":"$secret://vault/1/jack"}}}},{"key":"/apisix/consumers/jill","value":{"username":"jill","plugins":{"basic-auth":{}}}}]}`,
			[]string{
				"list[0] text=auth-one name=jack owner=jack description=d team=x left=plugins",
				"error: list[1]: plugins.key-auth.key: names a secret that is kept elsewhere: export it with its value",
			},
		},
		{
			"apisix.yaml", keyimport.APISIX, "consumers:\n  - username: jack\n    plugins:\n      key-auth:\n        key: user-key\n    credentials:\n      - {id: c1, name: second, plugins: {key-auth: {key: k2}}}\n#END\n",
			[]string{"consumers[0] text=user-key name=jack owner=jack", "consumers[0].credentials[0] text=k2 name=second owner=jack apisix_id=c1"},
		},
		{
			"aws", keyimport.AWS, "Name,key,description,Enabled,usageplanIds\nMyFirst,aws-key-one,\"a, b\",TRUE,\"c7,d8\"\nSecond,,,FALSE,\nThird,k,,perhaps,\n",
			[]string{"line 2 text=aws-key-one name=MyFirst aws_usage_plans=c7,d8 description=a, b", "error: line 3, column 2: key: is missing", "error: line 4, column 4: enabled: want true or false (also yes or no, 1 or 0), or nothing"},
		},
		{
			"unkey", keyimport.Unkey, `{"migrationId":"m","apiId":"a","keys":[
			{"hash":"` + sum256 + `","name":"n","externalId":"u1","permissions":["orders.read"],"roles":["r"],"expires":4102444800000,"enabled":false,"meta":{"a":"b"},"credits":{"remaining":5},
			 "ratelimits":[{"name":"requests","limit":10,"duration":60000,"autoApply":true}]},
			{"hash":{"value":"` + sum64 + `","variant":"sha256_base64"},"ownerId":"u2","environment":"test","remaining":5},{"plaintext":"p"},{"hash":"short"},{"hash":{"value":"x","variant":"md5"}},{"name":1}]}`,
			[]string{
				"keys[0] sha256=a665a459 name=n owner=u1 scopes=orders.read expires=2100-01-01T00:00:00Z disabled limit=requests:10/1m0s a=b roles=r left=credits",
				"keys[1] sha256=a665a459 owner=u2 env=test left=credits",
				"keys[2] text=p",
				"error: keys[3]: hash: want the SHA-256 of the key: 32 bytes in base64 or hex",
				"error: keys[4]: hash.variant: want sha256_base64 or sha256_hex",
				"error: keys[5]: name: is a number, want a string",
			},
		},
		{
			"csv", keyimport.CSV, "key,hash,format,name,owner,environment,scopes,expires,enabled,plan,metadata.team\nk1,,,n,o,test,a:read b:read,2027-01-31T00:00:00+01:00,no,gold,x\n," + sum256 + ",,,,,,,,,\n,ab,sha512,,,,,,,,\n,ab,md5,,,,,,,,\nk," + sum256 + ",,,,,,soon,maybe,,\n",
			[]string{
				"line 2 text=k1 name=n owner=o env=test plan=gold scopes=a:read,b:read expires=2027-01-30T23:00:00Z disabled team=x",
				"line 3 sha256=a665a459",
				"error: line 4, column 2: hash: want the sha512 of the key in hex: 128 digits",
				"error: line 5, column 3: format: want sha256 or sha512",
				"error: line 6, column 2: hash: is given together with key: want one of both\nline 6, column 9: enabled: want true or false (also yes or no, 1 or 0), or nothing\nline 6, column 8: expires: want a time such as 2027-01-31T00:00:00Z, or nothing for never",
			},
		},
		{"csv with a mark of UTF-8", keyimport.CSV, "\ufeffkey\nk\n", []string{"line 2 text=k"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := read(tt.format, tt.text)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

func TestReadRefusesOtherFiles(t *testing.T) {
	for _, tt := range []struct {
		format     keyimport.Format
		text, want string
	}{
		{keyimport.Kong, "", "is empty"},
		{keyimport.Kong, "[1]", "is not the JSON of this format"},
		{keyimport.Kong, `{"consumers":{"a":1}}`, "is not the JSON of this format"},
		{keyimport.Kong, `{"consumers":[{"username":"hunter2"`, "is not the JSON of this format"},
		{keyimport.Kong, `{"consumers":[]} {}`, "is not the JSON of this format"},
		{keyimport.Kong, "a: [hunter2", "neither JSON nor YAML"},
		{keyimport.Tyk, "", "is empty"},
		{keyimport.Tyk, `[{"key_id":"hunter2"}`, "is not the JSON of this format"},
		{keyimport.APISIX, "[]", "is not the JSON of this format"},
		{keyimport.Unkey, "hunter2", "is not the JSON of this format"},
		{keyimport.AWS, "", "is empty"},
		{keyimport.AWS, "name,description\n", "want a column key"},
		{keyimport.AWS, "key,surprise\n", "column 2"},
		{keyimport.CSV, "key,key\n", "column 2"},
		{keyimport.CSV, "key,name\nhunter2\n", "line 2: the line: want 2 columns as in line 1, not 1"},
		{keyimport.CSV, "key\n\"hunter2\n", "line 2"},
		{"other", "x", "want one of kong"},
	} {
		got := read(tt.format, tt.text)
		if len(got) == 0 || !strings.Contains(got[len(got)-1], tt.want) || strings.Contains(got[len(got)-1], "hunter2") {
			t.Errorf("%s of %q: %q, want an error with %q and no key", tt.format, tt.text, got, tt.want)
		}
	}
}

func TestReadEndsWhenNobodyWantsMore(t *testing.T) {
	for format, text := range map[keyimport.Format]string{
		keyimport.CSV: "key\na\nb\n", keyimport.Kong: `{"keyauth_credentials":[{"key":"a"},{"key":"b"}]}`,
	} {
		n := 0
		for _, err := range keyimport.Read(format, strings.NewReader(text)) {
			if err != nil {
				t.Error(err)
			}
			n++
			break
		}
		if n != 1 {
			t.Errorf("%s: %d entries for who wants one", format, n)
		}
	}
}

// FuzzRead: whatever a file holds, reading it ends, errors never repeat it, and an
// entry without an error has a key.
func FuzzRead(f *testing.F) {
	for i, text := range []string{
		`{"consumers":[{"username":"a","keyauth_credentials":[{"key":"k"}]}]}`, "consumers:\n- username: a\n", `[{"key_id":"a","data":{}}]`,
		`{"list":[{"key":"/apisix/consumers/a","value":{"plugins":{"key-auth":{"key":"k"}}}}]}`, "name,key\na,b\n", `{"keys":[{"hash":"x"}]}`, "key,hash\na,\n",
	} {
		f.Add(uint8(i), []byte(text))
	}
	formats := keyimport.Formats()
	f.Fuzz(func(t *testing.T, n uint8, text []byte) {
		for e, err := range keyimport.Read(formats[int(n)%len(formats)], strings.NewReader(string(text))) {
			field, ok := errors.AsType[*keyimport.FieldError](err)
			switch {
			case err == nil && e.Text.IsZero() && len(e.Digest) == 0:
				t.Errorf("%s has no key and no error", e.At)
			case ok && (field.At == "" || field.Field == ""):
				t.Errorf("an error without a place: %v", err)
			}
		}
	})
}
