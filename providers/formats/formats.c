/* The wire formats there are. */

#include "providers/formats/formats.h"

#include <string.h>

static const struct provider *const formats[] = {
    &provider_openai_chat,
};

static const char kinds[] = "openai_chat";

const struct provider *format_find(const char *kind)
{
    for (size_t i = 0; i < ARRAY_LENGTH(formats); i++)
        if (strcmp(formats[i]->kind, kind) == 0)
            return formats[i];
    return NULL;
}

const char *format_kinds(void)
{
    return kinds;
}
