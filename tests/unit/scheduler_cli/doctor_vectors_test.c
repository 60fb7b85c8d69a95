/* What `penstock doctor` thinks of the model that makes vectors. */

#include "scheduler/cli/doctor/doctor_vectors.h"

#include <string.h>

#include "providers/models/registry.h"
#include "tests/unit/support/config_of.h"

static void expect(const char *model, enum doctor_verdict verdict, const char *words)
{
    char *environment[] = {"GROQ_API_KEY=k", NULL};
    struct provider_registry *registry = NULL;
    struct doctor_finding found;
    struct config *config;
    struct error err;
    char text[200];

    (void)snprintf(text, sizeof(text), "memory: {embedding_model: %s}\n", model);
    config = config_of(text, environment, config_load);
    cr_assert_eq(provider_registry_new(config, &registry, &err), 0, "%s", err.text);
    cr_assert(doctor_vectors_are_said(registry));
    found = doctor_judge_vectors(registry);
    cr_assert_eq(found.verdict, verdict, "%s", found.text);
    cr_assert(strstr(found.text, words), "%s", found.text);
    provider_registry_free(registry);
    config_free(config);
}

Test(doctor_vectors, a_model_must_be_there_and_make_vectors)
{
    expect("ollama/nomic-embed-text", DOCTOR_OK,
           "asked of ollama/nomic-embed-text, which was not tried");
    expect("builtin/hashed-words-2", DOCTOR_FAIL,
           "memory.embedding_model is builtin/hashed-words-2, and the model that is built in is "
           "builtin/hashed-words-1");
    expect("openai/text-embedding-3-small", DOCTOR_WARN, "OPENAI_API_KEY");
    expect("anthropic/claude-sonnet-4-5", DOCTOR_FAIL, "makes no vectors");
    expect("nobody/knows-it", DOCTOR_FAIL, "there is no such provider");
}

Test(doctor_vectors, of_the_model_that_is_built_in_nothing_is_said)
{
    char *environment[] = {NULL};
    struct config *config = config_of("{}\n", environment, config_load);
    struct provider_registry *registry = NULL;
    struct error err;

    cr_assert_eq(provider_registry_new(config, &registry, &err), 0, "%s", err.text);
    cr_assert(!doctor_vectors_are_said(registry));
    provider_registry_free(registry);
    config_free(config);
}
