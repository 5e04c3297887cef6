// Checked sums and products, both forms, against 128 bits.
#include "core/checked.h"

#include <cstdint>
#include <vector>

#include "support.h"

namespace {

__extension__ typedef __int128 Int128;

using Function = bool (*)(int64_t, int64_t, int64_t*);

void CheckAgainst(Function function, int64_t a, int64_t b, Int128 exact) {
  CAPTURE(a);
  CAPTURE(b);
  const bool fits = exact >= INT64_MIN && exact <= INT64_MAX;
  int64_t result = 12345;
  CHECK(function(a, b, &result) == fits);
  CHECK(result == (fits ? static_cast<int64_t>(exact) : 12345));
}

}  // namespace

TEST_CASE("checked sums and products fit exactly where 128 bits say so") {
  std::vector<int64_t> values;
  for (const int64_t near : {int64_t{0}, int64_t{1} << 31, int64_t{3037000500}, int64_t{1} << 32, INT64_MAX / 3,
                             int64_t{1} << 62, INT64_MAX - 2}) {
    for (int64_t step = -2; step <= 2; ++step) {
      values.push_back(near + step);
      values.push_back(-(near + step));
    }
  }
  values.push_back(INT64_MIN);
  for (const int64_t a : values) {
    for (const int64_t b : values) {
      CheckAgainst(&simdrope::impl::CheckedAdd, a, b, Int128{a} + b);
      CheckAgainst(&simdrope::impl::portable::CheckedAdd, a, b, Int128{a} + b);
      CheckAgainst(&simdrope::impl::CheckedMul, a, b, Int128{a} * b);
      CheckAgainst(&simdrope::impl::portable::CheckedMul, a, b, Int128{a} * b);
    }
  }
}

TEST_CASE("the result of a checked sum or product may be an operand") {
  int64_t x = 6;
  CHECK(simdrope::impl::CheckedMul(x, 7, &x));
  CHECK(x == 42);
  CHECK(simdrope::impl::CheckedAdd(x, -2, &x));
  CHECK(x == 40);
  CHECK_FALSE(simdrope::impl::CheckedAdd(x, INT64_MAX, &x));
  CHECK(x == 40);
}
