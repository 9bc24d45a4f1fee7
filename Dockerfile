# ferryline's daemon. /config contains jobs.yml; /data contains the state folder (/data/state), and the
# files of jobs are mounted below it. docs/running.md says how to run it; compose.yaml is an example.

# The full image has the compiler that builds ssh2's native ciphers.
FROM node:24 AS build
WORKDIR /app
# Node's headers are in the image, so the build downloads none.
ENV npm_config_nodedir=/usr/local
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json rolldown.config.ts ./
COPY src ./src
RUN npm run build && chmod +x dist/cli/main.js

FROM node:24-slim
ENV NODE_ENV=production \
    FERRYLINE_CONFIG=/config/jobs.yml \
    FERRYLINE_STATE_DIR=/data/state
# for `transport: openssh`, and for `${secret:NAME}` and ProxyCommand that call ssh
RUN apt-get update \
 && apt-get install -y --no-install-recommends openssh-client \
 && rm -rf /var/lib/apt/lists/*
# `ferryline demo` uses jobs.yml, `ferryline init` names jobs.schema.json; dist has all packages in it.
COPY package.json jobs.yml jobs.schema.json /app/
COPY --from=build /app/dist /app/dist/
# uid 1000 is the image's user `node`. A new volume takes over these owners and modes.
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
