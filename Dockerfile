# The gateway as an image: docker build -t sluice . && docker run -v ./sluice.yaml:/config/sluice.yaml -p 8080:8080 sluice
# Both stages name a release. Only a digest (`@sha256:…`) says for good what the name means: add the one that you trust.
FROM node:26.10.0-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
COPY tools/ tools/
# The page is built below, when its source is there.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src/ src/
COPY ui/ ui/
RUN npm run build && npm run build:ui
# The image can send traces. What that takes is installed beside the package only where somebody wants it.
RUN cp -r node_modules/@opentelemetry . && npm prune --omit=dev && cp -r @opentelemetry node_modules/

FROM node:26.10.0-slim
ENV NODE_ENV=production
WORKDIR /sluice
COPY --from=build /build/node_modules/ node_modules/
COPY --from=build /build/dist/ dist/
COPY package.json LICENSE ./
COPY bin/ bin/
# Nothing of it can be written by the user it runs as.
USER node
WORKDIR /config
EXPOSE 8080
# Asks where `server.health` is by default; a config that moves it, or a command with another port, brings its own check.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["node", "-e", "fetch('http://127.0.0.1:8080/-/health').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/sluice/bin/sluice.js"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8080"]
