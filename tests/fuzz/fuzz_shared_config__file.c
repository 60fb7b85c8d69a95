/* Any bytes as the configuration file: a configuration comes out, or an error that names the
 * file. */

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shared/base/error.h"
#include "shared/base/text.h"
#include "shared/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *environment[] = {"OPENAI_API_KEY=sk-1", NULL};
    char path[64];
    struct config_flags flags = {.file = path};
    struct config *config = NULL;
    struct error err = {0};
    int fd = memfd_create("config", 0);
    int r;

    ASSERT(fd >= 0);
    ASSERT(write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    r = config_load(&flags, environment, &config, &err);
    close(fd);
    if (r < 0) {
        ASSERT(r == -E_INVALID || r == -E_LIMIT);
        ASSERT(strstr(err.text, path));
        return 0;
    }
    ASSERT(config->database_url && config->redis_url && config->worker.slots > 0);
    ASSERT(config->shards > 0 && config->providers_count > 0);
    config_free(config);
    return 0;
}
