-- Health of ServiceAccountIssuer objects in Argo CD: the value of
-- resource.customizations.health.issuerctl.dev_ServiceAccountIssuer in the ConfigMap argocd-cm.
local health = { status = "Progressing", message = "the controller has not seen this object yet" }
if obj.status == nil or obj.status.conditions == nil then
  return health
end
if obj.status.observedGeneration ~= obj.metadata.generation then
  health.message = "the controller has not seen this change yet"
  return health
end
for _, condition in ipairs(obj.status.conditions) do
  if condition.type == "Ready" then
    health.message = condition.message
    if condition.status == "True" then
      health.status = "Healthy"
    elseif condition.reason == "Suspended" then
      health.status = "Suspended"
    elseif condition.status == "False" then
      health.status = "Degraded"
    end
  end
end
return health
