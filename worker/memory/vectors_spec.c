#include "worker/memory/vectors_spec.h"

#include "providers/models/registry.h"
#include "shared/base/id.h"
#include "shared/json/json_write.h"
#include "worker/run/task/task.h"
#include "worker/state.h"

bool vectors_spec_write(struct run_task *task, const char *job, int64_t below, const char *about,
                        struct memory_run *out)
{
    const struct config *config = provider_registry_config(task->worker->registry);
    CLEANUP(buf_deinit) struct buf spec;
    struct json_write w;
    char *copy;

    buf_init(&spec, 0);
    json_write_init(&w, &spec);
    json_write_open_object(&w, NULL);
    json_write_string(&w, "job", job);
    json_write_string(&w, "model", registry_embedding_model(config));
    if (below > 0)
        json_write_int(&w, "below", below);
    json_write_close(&w);
    copy = spec.failed ? NULL : arena_copy(&task->arena, buf_text(&spec));
    if (!copy)
        return false;
    *out = (struct memory_run){.id = uuid_new(), .about = text_of(about), .spec = {copy, spec.len}};
    return true;
}
