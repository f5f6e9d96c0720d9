# Each line says what it is answered with. Paste the lines above first.

# 1. An API key in a header
# 200 with the key
curl -si -H "X-API-Key: $KEY" "$URL/data"
# 401 without it, and the answer says what is wanted
curl -si "$URL/data"
# 401 with another
curl -si -H "X-API-Key: ${KEY%??????}xxxxxx" "$URL/data"

# 2. A link with a key in it
# 200 neither cached nor named as a referrer; the handler does not see the key
curl -si "$URL/export?month=11&api_key=$KEY"
# 401 where nothing says that a link may hold one
curl -si "$URL/data?api_key=$KEY"

# 3. Sessions
# 303 after a login with the right password
curl -si -c cookies -H "Origin: $URL" -d username=ada -d "password=$PASSWORD" "$URL/login"
# 401 with a wrong one
curl -si -H "Origin: $URL" -d username=ada -d password=secret "$URL/login"
# 200 with the cookie
curl -si -b cookies "$URL/profile"
# 401 without it
curl -si "$URL/profile"

# 4. A key or a token
# 200 with the key
curl -si -H "X-API-Key: $KEY" "$URL/reports"
# 200 with the token
curl -si -H "Authorization: Bearer $TOKEN" "$URL/reports"
# 401 with a good key and a bad token: what is there has to hold
curl -si -H "X-API-Key: $KEY" -H "Authorization: Bearer ${TOKEN%?????}" "$URL/reports"

# 5. HTTPS
# 308 to https
curl -si "$PLAIN/data"
# 403 for a key in the clear: it would be read on the way each time
curl -si -H "X-API-Key: $KEY" "$PLAIN/data"

# 6. CORS
# 204 for the page of the app, with its origin in Access-Control-Allow-Origin
curl -si -X OPTIONS -H "Origin: https://app.example.com" -H "Access-Control-Request-Method: GET" -H "Access-Control-Request-Headers: x-api-key" "$URL/data"
# 204 for another page, without: its browser keeps the answer from it
curl -si -X OPTIONS -H "Origin: https://evil.example" -H "Access-Control-Request-Method: GET" -H "Access-Control-Request-Headers: x-api-key" "$URL/data"

# 7. CSRF
# 201 from a page of the service itself
curl -si -b cookies -H "Origin: $URL" -d item=rope "$URL/orders"
# 403 from a page of another site, although the cookie is there
curl -si -b cookies -H "Origin: https://evil.example" -d item=rope "$URL/orders"
# 403 from nobody knows where
curl -si -b cookies -d item=rope "$URL/orders"
# 201 with the token of the session
curl -si -b cookies -H "X-CSRF-Token: $(curl -s -b cookies "$URL/profile" | sed 's/.*"csrf_token":"\([^"]*\)".*/\1/')" -d item=rope "$URL/orders"

# 8. Rate limits
# 200 200 200 200 200 429 of six requests at once, where five an hour pass
curl -si -H "X-API-Key: $KEY" "$URL/items?page=[1-6]"

# 9. Nothing secret in the log: see the other terminal
# 200 for a link whose key the log does not have
curl -si "$URL/export?api_key=$KEY"

# 10. Trusted hosts
# 421 for a name that somebody else chose
curl -si -H "Host: evil.example" -H "X-API-Key: $KEY" "$URL/data"

# 11. No SQL injection
# 200 with a name that has a quote
curl -si -G -H "X-API-Key: $KEY" --data-urlencode "name=O'Brien" "$URL/users"
# 200 with nobody: it is a name like any other
curl -si -G -H "X-API-Key: $KEY" --data-urlencode "name=' OR '1'='1" "$URL/users"

# And at last
# 303 after a logout
curl -si -b cookies -H "Origin: $URL" -X POST "$URL/logout"
# 401 with the cookie of a session that has ended
curl -si -b cookies "$URL/profile"
# 200 with the document of everything above
curl -si "$URL/openapi.json"

# Ctrl-C in the other terminal ends the service and removes its files.
