#include "scheduler/hook_exceptions.h"

#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/base/text.h"

static int add(struct text entry, struct guard_options *out, struct error *err)
{
    const char **grown;
    char *copy;

    if (entry.len == 0)
        return 0;
    grown =
        xrealloc((void *)out->exceptions, (out->exceptions_count + 1) * sizeof(*out->exceptions));
    copy = xstrndup(entry.ptr, entry.len);
    grown[out->exceptions_count++] = copy;
    out->exceptions = grown;
    return guard_check_exception(copy, err);
}

int hook_exceptions_read(const char *setting, struct guard_options *out, struct error *err)
{
    struct guard_options options = {NULL, 0};
    struct text left = text_of(setting);
    bool more = true;
    int r = 0;

    while (more && r == 0) {
        struct text word;

        more = text_cut(left, ',', &word, &left);
        r = add(text_trim(more ? word : left), &options, err);
    }
    if (r < 0) {
        hook_exceptions_free(&options);
        return error_wrap(err, "webhooks.private_addresses");
    }
    *out = options;
    return 0;
}

void hook_exceptions_free(struct guard_options *options)
{
    for (size_t i = 0; i < options->exceptions_count; i++)
        free((void *)options->exceptions[i]);
    free((void *)options->exceptions);
    *options = (struct guard_options){NULL, 0};
}
