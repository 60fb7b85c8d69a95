/* Any expression gives a number that, as an expression, gives itself, or an error that can be
 * told. */

#include "shared/base/error.h"
#include "worker/tools/builtin/calculator.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buf_deinit) struct buf first;
    CLEANUP(buf_deinit) struct buf second;
    struct error err = {0};
    int r;

    buf_init(&first, 1 << 16);
    buf_init(&second, 1 << 16);
    r = calculator_evaluate((struct text){(const char *)data, size}, &first, &err);
    if (r < 0) {
        ASSERT(r == -E_INVALID || r == -E_LIMIT);
        ASSERT(err.text[0] && text_is_utf8(text_of(err.text)));
        return 0;
    }
    ASSERT(!first.failed && first.len > 0);
    r = calculator_evaluate(buf_text(&first), &second, &err);
    ASSERT(r == 0);
    ASSERT(text_equal(buf_text(&first), buf_text(&second)));
    return 0;
}
