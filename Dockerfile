# ferryline's daemon. /config holds jobs.yml; /data is for the state folder (/data/state) and for the
# files of jobs, mounted below it. docs/running.md tells how to run it, compose.yaml shows it whole.

# The full image has the compiler that ssh2's native ciphers are built with.
FROM node:24 AS build
WORKDIR /app
# Node's headers are in the image: nothing is fetched for the compiler.
ENV npm_config_nodedir=/usr/local
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && chmod +x dist/cli/main.js && npm prune --omit=dev

FROM node:24-slim
ENV NODE_ENV=production \
    FERRYLINE_CONFIG=/config/jobs.yml \
    FERRYLINE_STATE_DIR=/data/state
# jobs.yml is what `ferryline demo` shows.
COPY --from=build /app/package.json /app/
COPY jobs.yml /app/
COPY --from=build /app/node_modules /app/node_modules/
COPY --from=build /app/dist /app/dist/
# uid 1000 is the image's user `node`: a volume that is new takes over these owners and modes.
RUN ln -s /app/dist/cli/main.js /usr/local/bin/ferryline \
 && install -d -o 1000 -g 1000 /config /data \
 && install -d -o 1000 -g 1000 -m 0700 /data/state
WORKDIR /data
USER 1000:1000
VOLUME ["/config", "/data"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 \
  CMD ["ferryline", "status"]
ENTRYPOINT ["ferryline"]
CMD ["start"]
