// Package hostile holds texts that attackers send, for tests: one list, so that what
// one place has learned all others try.
package hostile

// Statements are texts that end a statement of SQL, widen it, or add another. All are
// UTF-8; one has lines of its own.
func Statements() []string {
	return []string{
		`"`, "`", `''`, `\'`, `\`, `;`, `--`, `/*`, `*/`, `#`, `' --`, `' #`, `')`, `'))`, `'; --`,
		`' OR '1'='1`, `' OR 1=1 --`, `' OR 1=1#`, `' OR 1=1/*`, `') OR ('1'='1`, `')) OR 1=1 --`, `" OR "1"="1`, `" OR 1=1 --`, `1 OR 1=1`, `' OR TRUE --`,
		`admin' --`, `admin'/*`, `' AND 1=0 UNION SELECT 1, password FROM users --`, `' UNION SELECT NULL --`, `' UNION SELECT NULL, NULL --`,
		`' UNION SELECT 1, name FROM sqlite_master --`, `') UNION SELECT 1, sql FROM sqlite_master --`, `' UNION ALL SELECT 1, password FROM users; --`,
		`'; DROP TABLE users; --`, `'); DROP TABLE users; --`, `Robert'); DELETE FROM users; --`, `'; UPDATE users SET name = 'x'; --`,
		`'; INSERT INTO users (name, password) VALUES ('x', 'y'); --`, `'; ATTACH DATABASE '/tmp/x' AS x; --`, `'; PRAGMA writable_schema = 1; --`,
		`'; SELECT load_extension('x'); --`, `' || (SELECT password FROM users LIMIT 1) || '`, `' AND randomblob(100000000) --`, `' AND (SELECT count(*) FROM users) > 0 --`,
		`' AND substr((SELECT password FROM users), 1, 1) = 'n' --`, `' ORDER BY 10 --`, `' GROUP BY id HAVING 1=1 --`, `' LIMIT 1 OFFSET 1 --`, `'; WAITFOR DELAY '0:0:5' --`,
		`' OR sleep(5) --`, `' AND pg_sleep(5) --`, `'; EXEC xp_cmdshell('dir') --`, `%27%20OR%201=1`, `%00' OR 1=1`, `' oR '1' lIkE '1`, `'/**/OR/**/1=1--`, "'\nOR\n1=1--",
		`ʼ OR 1=1`, `＇ OR 1=1`, `$1`, `?`, `?1`, `:name`, `@name`, `{{1}}`, `${1}`, `0x27`, `char(39)`, `x'27'`, `NULL`,
	}
}

// Templates are texts that other languages than SQL read as more than a text: of
// templates, shells, spreadsheets, markup, logs and JSON.
func Templates() []string {
	return []string{
		`%`, `_`, `%27`, `${jndi:ldap://x}`, `{{7*7}}`, `<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `=cmd|' /C calc'!A0`, `$(id)`, "`id`", `| id`, `../../etc/passwd`, `$$`, `? ? ?`, `:1`,
		`true`, `null`, `[]`, `{"a":1}`, `\u0000`, `%s%n`, `*)(uid=*`, `' or ''='`, `__proto__`, `constructor`, `undefined`, `NaN`, `-1`, `1e309`,
	}
}

// Unseen are texts that do not read as what they are, or that no line of text should
// hold: control characters, those that turn the direction of text, those without a
// width.
func Unseen() []string {
	return []string{
		"a\x00b", "a\x1bb", "a\rb", "a\nb", "a\u202eb", "a\u2066b", "a\u200fb", "a\u200bb", "a\ufeffb", "a\u2060b", "a\u2028b", "a\u0085b", "a\U000e0041b",
	}
}
