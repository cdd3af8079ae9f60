{{- define "sluice.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "sluice.fullname" -}}
{{- $name := include "sluice.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 57 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 57 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 57 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "sluice.selector" -}}
app.kubernetes.io/name: {{ include "sluice.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "sluice.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "sluice.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "sluice.metadata" -}}
name: {{ include "sluice.fullname" . }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "sluice.labels" . | nindent 2 }}
{{- end -}}

{{- define "sluice.image" -}}
{{- $image := .Values.image -}}
{{- $repository := required "image.repository is needed: build the image with the Dockerfile, push it, and say where it is" $image.repository -}}
{{- if $image.digest -}}
{{ $repository }}@{{ $image.digest }}
{{- else -}}
{{ $repository }}:{{ default .Chart.AppVersion $image.tag }}
{{- end -}}
{{- end -}}

{{- define "sluice.configMap" -}}
{{- if .Values.config.existingConfigMap -}}
{{- if .Values.config.text -}}{{ fail "config.text and config.existingConfigMap are both there: the gateway has one config" }}{{- end -}}
{{ .Values.config.existingConfigMap }}
{{- else -}}
{{- $_ := required "config.text is needed (--set-file config.text=sluice.yaml), or config.existingConfigMap" .Values.config.text -}}
{{ include "sluice.fullname" . }}
{{- end -}}
{{- end -}}

{{- /* What the config says, as JSON: `known` is false if it is no YAML or a ConfigMap of somebody else. */ -}}
{{- define "sluice.read" -}}
{{- $config := fromYaml .Values.config.text -}}
{{- $known := and .Values.config.text (not (hasKey $config "Error")) -}}
{{- $server := dict -}}
{{- $admin := dict -}}
{{- if $known -}}
{{- if kindIs "map" (get $config "server") -}}{{- $server = get $config "server" -}}{{- end -}}
{{- $admin = get $config "admin" -}}
{{- end -}}
{{- dict "known" (not (not $known)) "server" $server "admin" $admin | toJson -}}
{{- end -}}

{{- define "sluice.health" -}}
{{- $read := include "sluice.read" . | fromJson -}}
{{- $path := .Values.health -}}
{{- if hasKey $read.server "health" -}}{{- $path = $read.server.health -}}{{- end -}}
{{- if not (hasPrefix "/" (toString $path)) -}}{{ fail "the config's `server.health` must be a path, because Kubernetes asks there whether a pod is ready" }}{{- end -}}
{{ $path }}
{{- end -}}

{{- /* A duration of a config in whole seconds, rounded up. */ -}}
{{- define "sluice.seconds" -}}
{{- $text := toString .value -}}
{{- if eq $text "false" -}}0
{{- else if regexMatch "^[0-9]+ms$" $text -}}{{ div (add (trimSuffix "ms" $text | int64) 999) 1000 }}
{{- else if regexMatch "^[0-9]+s$" $text -}}{{ trimSuffix "s" $text | int64 }}
{{- else if regexMatch "^[0-9]+m$" $text -}}{{ mul (trimSuffix "m" $text | int64) 60 }}
{{- else if regexMatch "^[0-9]+h$" $text -}}{{ mul (trimSuffix "h" $text | int64) 3600 }}
{{- else -}}{{ fail (printf "%s is %q, which is no duration such as 250ms, 30s or 2m" .name $text) }}
{{- end -}}
{{- end -}}

{{- /* How long a pod takes to end at the most: the hook, the delay, running requests, and what it says at its end. */ -}}
{{- define "sluice.ending" -}}
{{- $read := include "sluice.read" . | fromJson -}}
{{- $delay := dict "name" "drain.delay" "value" .Values.drain.delay -}}
{{- $finish := dict "name" "drain.finish" "value" .Values.drain.finish -}}
{{- if hasKey $read.server "drainDelay" -}}{{- $delay = dict "name" "the config's `server.drainDelay`" "value" $read.server.drainDelay -}}{{- end -}}
{{- if hasKey $read.server "drain" -}}{{- $finish = dict "name" "the config's `server.drain`" "value" $read.server.drain -}}{{- end -}}
{{- add .Values.drain.preStopSeconds (include "sluice.seconds" $delay) (include "sluice.seconds" $finish) 5 -}}
{{- end -}}

{{- define "sluice.grace" -}}
{{- $ending := include "sluice.ending" . | int64 -}}
{{- $given := get .Values "terminationGracePeriodSeconds" -}}
{{- if not $given -}}{{ $ending }}
{{- else if lt (int64 $given) $ending -}}{{ fail (printf "terminationGracePeriodSeconds is %d, and a pod takes up to %d s to end: running requests would be cut" (int64 $given) $ending) }}
{{- else -}}{{ int64 $given }}
{{- end -}}
{{- end -}}

{{- /* Fails if the config does not open the admin server where the chart looks for it. */ -}}
{{- define "sluice.checkAdmin" -}}
{{- $admin := .Values.admin -}}
{{- $_ := required "admin.tokenSecret.name is needed with admin.enabled: whoever can reach the admin server must bring a token" $admin.tokenSecret.name -}}
{{- $read := include "sluice.read" . | fromJson -}}
{{- $written := $read.admin -}}
{{- if $read.known -}}
{{- $right := false -}}
{{- if kindIs "map" $written -}}
{{- $right = and (eq (toString (get $written "port")) (toString $admin.port)) (not (has (toString (get $written "host")) (list "" "localhost" "127.0.0.1" "::1"))) -}}
{{- end -}}
{{- if not $right -}}{{ fail (printf "admin.enabled needs in the config: admin: { port: %d, host: 0.0.0.0, token: \"${env.ADMIN_TOKEN}\" }" (int64 $admin.port)) }}{{- end -}}
{{- end -}}
{{- end -}}

{{- /* All secrets, as name → { name, key }. */ -}}
{{- define "sluice.secrets" -}}
{{- $secrets := deepCopy .Values.secrets -}}
{{- if .Values.admin.enabled -}}
{{- include "sluice.checkAdmin" . -}}
{{- $_ := set $secrets "ADMIN_TOKEN" .Values.admin.tokenSecret -}}
{{- end -}}
{{- range $name, $_ := $secrets -}}
{{- if hasKey $.Values.env $name -}}{{ fail (printf "%s is both in env and in secrets" $name) }}{{- end -}}
{{- end -}}
{{- $secrets | toJson -}}
{{- end -}}
