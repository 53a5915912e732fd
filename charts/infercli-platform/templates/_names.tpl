{{- define "infercli-platform.labels" -}}
app.kubernetes.io/name: infercli-platform
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "infercli-platform.podSecurityLabels" -}}
pod-security.kubernetes.io/enforce: {{ .Values.podSecurity.level }}
pod-security.kubernetes.io/enforce-version: {{ .Values.podSecurity.version }}
pod-security.kubernetes.io/warn: {{ .Values.podSecurity.level }}
pod-security.kubernetes.io/warn-version: {{ .Values.podSecurity.version }}
{{- end }}

{{- /* A RoleBinding of the role `name` to the RBAC `subjects`; nothing when there are none. */ -}}
{{- define "infercli-platform.binding" -}}
{{- if .subjects }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ .name }}
  namespace: {{ .root.Values.namespace.name | quote }}
  labels:
    {{- include "infercli-platform.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ .name }}
subjects:
  {{- range .subjects }}
  - kind: {{ .kind }}
    name: {{ .name | quote }}
    {{- if eq .kind "ServiceAccount" }}
    namespace: {{ .namespace | quote }}
    {{- else }}
    apiGroup: rbac.authorization.k8s.io
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}
