{{- define "bridge.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end }}

{{- define "bridge.labels" -}}
app.kubernetes.io/name: promptlayer-bridge
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "bridge.meta" -}}
{{ include "bridge.labels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "bridge.secret" -}}
{{- .Values.secrets.existing | default (include "bridge.name" .) -}}
{{- end }}

{{/* Where an ingress sends what it lets in. */}}
{{- define "bridge.door" -}}
backend:
  service: {name: {{ include "bridge.name" . }}, port: {name: http}}
{{- end }}

{{/* Is anything to work beside `serve`? Not empty means yes. */}}
{{- define "bridge.works" -}}
{{- if or .Values.work.autoscaling.enabled (gt (int .Values.work.replicas) 0) -}}yes{{- end -}}
{{- end }}

{{/* The part of bridge.yaml that a running process does not reload: a change of it rolls the pods. */}}
{{- define "bridge.fixedConfig" -}}
{{- $config := fromYaml .Values.config -}}
{{- if hasKey $config "Error" -}}
{{- .Values.config -}}
{{- else -}}
{{- omit $config "defaults" "forges" "identity" "log" "mappings" "mappings_folder" "notify" "promptlayer" "quiet" "roster" "serve" "sweep" "workspaces" | toJson -}}
{{- end -}}
{{- end }}

{{/* Fails where bridge.yaml names a variable that no pod would have. */}}
{{- define "bridge.requireSecrets" -}}
{{- if not .Values.secrets.existing -}}
{{- $text := join "\n" (prepend (values .Values.mappings) .Values.config) | replace "$$" "" -}}
{{- $set := keys .Values.secrets.values -}}
{{- range .Values.extraEnv }}{{ $set = append $set .name }}{{ end -}}
{{- $missing := list -}}
{{- range regexFindAll "\\$\\{[A-Za-z_][A-Za-z0-9_]*\\}" $text -1 | uniq -}}
{{- $name := trimAll "${}" . -}}
{{- if not (has $name $set) }}{{ $missing = append $missing $name }}{{ end -}}
{{- end -}}
{{- if $missing -}}
{{- fail (printf "bridge.yaml names %s, which no pod would have: set them in secrets.values or extraEnv, or name a Secret that has them in secrets.existing." (join ", " $missing)) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The pod of either part. Takes a dict: root, part ("serve" or "work"), args. */}}
{{- define "bridge.pod" -}}
{{- $root := .root -}}
{{- $part := index $root.Values .part -}}
metadata:
  labels:
    {{- include "bridge.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .part }}
  {{- /* The bridge reloads most of its files itself; variables are read at the start only. */}}
  {{- $notes := merge (dict "checksum/config" (include "bridge.fixedConfig" $root | sha256sum)) $root.Values.podAnnotations }}
  {{- if not $root.Values.secrets.existing }}
  {{- $sum := $root.Values.secrets.values | toJson | sha256sum }}
  {{- $notes = merge (dict "checksum/secrets" $sum) $notes }}
  {{- end }}
  {{- with $notes }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "bridge.name" $root }}
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 20
  {{- with $root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- $security := dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault") }}
    {{- toYaml (merge $security $root.Values.podSecurityContext) | nindent 4 }}
  containers:
    - name: {{ .part }}
      image: "{{ $root.Values.image.repository }}:{{ $root.Values.image.tag | default $root.Chart.AppVersion }}"
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: {{ .args | toJson }}
      envFrom:
        - secretRef: {name: {{ include "bridge.secret" $root }}}
      {{- with $root.Values.extraEnv }}
      env:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - {name: http, containerPort: 8484}
      startupProbe:
        httpGet: {path: /healthz, port: http}
        periodSeconds: 2
        failureThreshold: 60
      {{- /* Not /healthz, which asks the database: without one it is no use to end the process. */}}
      livenessProbe:
        tcpSocket: {port: http}
        periodSeconds: 20
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: /readyz, port: http}
        periodSeconds: 10
        timeoutSeconds: 5
      resources:
        {{- toYaml $part.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      volumeMounts:
        - {name: config, mountPath: /etc/promptlayer-bridge, readOnly: true}
        {{- if $root.Values.mappings }}
        - {name: mappings, mountPath: /mappings, readOnly: true}
        {{- end }}
        {{- if $root.Values.secrets.files }}
        - {name: secrets, mountPath: /secrets, readOnly: true}
        {{- end }}
        - {name: data, mountPath: /data}
        - {name: tmp, mountPath: /tmp}
        {{- with $root.Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap: {name: {{ include "bridge.name" $root }}}
    {{- if $root.Values.mappings }}
    - name: mappings
      configMap: {name: {{ include "bridge.name" $root }}-mappings}
    {{- end }}
    {{- if $root.Values.secrets.files }}
    - name: secrets
      secret: {secretName: {{ $root.Values.secrets.files }}, defaultMode: 0440}
    {{- end }}
    - name: data
      {{- if and $root.Values.data.persistent (eq .part "serve") }}
      persistentVolumeClaim: {claimName: {{ include "bridge.name" $root }}}
      {{- else }}
      emptyDir: {sizeLimit: {{ $root.Values.data.size }}}
      {{- end }}
    - name: tmp
      emptyDir: {}
    {{- with $root.Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $root.Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $root.Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $root.Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- $own := dict "matchLabels" (merge (dict "app.kubernetes.io/component" $.part) (fromYaml (include "bridge.labels" $root))) }}
    {{- range . }}
    - {{ toYaml (merge (deepCopy .) (dict "labelSelector" $own)) | indent 6 | trim }}
    {{- end }}
  {{- end }}
  {{- with $root.Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
