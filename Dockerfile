# warder as a container image, for those who have an engine: docker build -t warder .
# make image writes the same without one.
ARG GO_VERSION=1.26
FROM --platform=$BUILDPLATFORM golang:${GO_VERSION} AS build
ARG TARGETARCH
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 GOOS=linux GOARCH=$TARGETARCH go build -trimpath -tags grpcnotrace -o /out/warder ./cmd/warder
RUN mkdir -p /root-of-image/etc/warder /root-of-image/var/lib /state && mkdir -m 0700 /state/warder && mkdir -m 1777 /root-of-image/tmp \
	&& printf 'root:x:0:0:root:/:/sbin/nologin\nwarder:x:65532:65532:warder:/var/lib/warder:/sbin/nologin\n' >/root-of-image/etc/passwd \
	&& printf 'root:x:0:\nwarder:x:65532:\n' >/root-of-image/etc/group

FROM scratch
COPY --from=build /root-of-image/ /
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build --chown=65532:65532 /state/ /var/lib/
COPY deploy/container/warder.yaml /etc/warder/warder.yaml
COPY --from=build /out/warder /usr/local/bin/warder
ENV PATH=/usr/local/bin WARDER_CONFIG=/etc/warder/warder.yaml
USER 65532:65532
WORKDIR /var/lib/warder
VOLUME ["/var/lib/warder"]
EXPOSE 8080 8082
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/usr/local/bin/warder", "ping"]
ENTRYPOINT ["/usr/local/bin/warder"]
CMD ["serve"]
LABEL org.opencontainers.image.title="warder" \
	org.opencontainers.image.description="API keys, and everything that has to stand around them, in front of any HTTP API" \
	org.opencontainers.image.source="https://github.com/warder-dev/warder" \
	org.opencontainers.image.licenses="Apache-2.0"
