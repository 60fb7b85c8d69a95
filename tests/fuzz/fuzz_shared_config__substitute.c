/* Any text is substituted or refused; text whose every dollar is doubled becomes itself. */

#include <stdlib.h>
#include <string.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/base/text.h"
#include "shared/config/config.h"

static char *environment[] = {"A=1", "EMPTY=", "LINES=a\nb", "TEXT=some: $text", NULL};

/* Comments stay as they are, dollars too. */
static void check_doubled(const char *text)
{
    CLEANUP(buf_deinit) struct buf doubled;
    char *out = NULL;

    buf_init(&doubled, 0);
    for (; *text; text++) {
        buf_add_char(&doubled, *text == '#' ? '%' : *text);
        if (*text == '$')
            buf_add_char(&doubled, '$');
    }
    ASSERT(config_substitute(buf_string(&doubled), environment, &out, NULL) == 0);
    for (const char *a = out, *b = buf_string(&doubled); *b; a++, b++) {
        ASSERT(*a == *b);
        b += *b == '$';
    }
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = xmalloc(size + 1);
    char *out = NULL;
    struct error err = {0};
    int r;

    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    r = config_substitute(text, environment, &out, &err);
    ASSERT(r == 0 || (r == -E_INVALID && err.text[0]));
    if (r == 0 && !strchr(text, '$'))
        ASSERT(strcmp(out, text) == 0);
    free(r == 0 ? out : NULL);
    check_doubled(text);
    free(text);
    return 0;
}
