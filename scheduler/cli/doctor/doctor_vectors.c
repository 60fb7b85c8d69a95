/* Whether a model makes vectors: as far as that is known without asking it. */

#include "scheduler/cli/doctor/doctor_vectors.h"

#include <string.h>

#include "providers/models/registry.h"
#include "providers/provider.h"
#include "shared/base/error.h"
#include "shared/embed/embedder.h"

static const char *model_of(const struct provider_registry *registry)
{
    return registry_embedding_model(provider_registry_config(registry));
}

bool doctor_vectors_are_said(const struct provider_registry *registry)
{
    return strcmp(model_of(registry), REGISTRY_EMBEDDING_MODEL) != 0;
}

struct doctor_finding doctor_judge_vectors(const struct provider_registry *registry)
{
    const char *model = model_of(registry);
    struct provider_target target;
    struct error err;

    if (provider_registry_resolve(registry, text_of(model), &target, &err) < 0)
        return doctor_failed("memory.embedding_model: %.200s", err.text);
    if (!target.provider->embedding)
        return doctor_failed("memory.embedding_model is %.80s, and its provider makes no vectors: "
                             "messages are found by their words alone",
                             model);
    if (target.key_variable)
        return doctor_warning("memory.embedding_model is %.80s, whose provider has no API key in "
                              "this environment: set %.60s",
                              model, target.key_variable);
    if (strcmp(target.provider->kind, "builtin") == 0 && strcmp(target.model, EMBEDDER_MODEL) != 0)
        return doctor_failed("memory.embedding_model is %.80s, and the model that is built in "
                             "is " REGISTRY_EMBEDDING_MODEL,
                             model);
    return doctor_ok("asked of %.80s, which was not tried", model);
}
