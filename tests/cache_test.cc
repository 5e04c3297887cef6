// The dense table that grows on demand.
#include <atomic>
#include <cstring>
#include <thread>

#include "support.h"

using namespace testing;

namespace {

simdrope::Rope RopeOf(const simdrope::Config& config) {
  auto rope = simdrope::Rope::create(config);
  REQUIRE(rope.ok());
  return *std::move(rope);
}

simdrope::CosSinCache CacheOf(const simdrope::Rope& rope, Format format) {
  auto cache = simdrope::CosSinCache::create(rope, format);
  REQUIRE_MESSAGE(cache.ok(), cache.status().message());
  return *std::move(cache);
}

}  // namespace

TEST_CASE("its rows are those of the rope, rounded to its dtype") {
  const simdrope::Rope rope = RopeOf(simdrope::Config(32, 5e5));
  const auto rows = rope.cos_sin(simdrope::Positions(), 1, 700);
  REQUIRE(rows.ok());
  const float* cos = static_cast<const float*>(rows->view().table.cos);
  for (const Format format : kFormats) {
    const simdrope::CosSinCache cache = CacheOf(rope, format);
    for (const int64_t count : {1, 300, 700}) {
      const auto view = cache.rows(count);
      REQUIRE(view.ok());
      CHECK(view->table.rows >= count);
      CHECK(view->table.format == format);
      size_t wrong = 0;
      for (int64_t r = 0; r < count; ++r) {
        for (int i = 0; i < 16; ++i) {
          const char* at = static_cast<const char*>(view->table.cos) +
                           (r * view->table.row_stride + i * view->table.column_stride) * simdrope::size_of(format);
          wrong += LoadBits(at, format) == Encoded(static_cast<double>(cos[r * 16 + i]), format) ? 0 : 1;
        }
      }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("rotating by an f32 cache is rotating by the rope, bit for bit; XPos, temperature and several axes too") {
  simdrope::Config scaled(32, 5e5);
  scaled.xpos.scale_base = 512;
  scaled.temperature = {0.1, 50, 0};
  simdrope::Config three_axes(32);
  three_axes.axes.count = 3;
  three_axes.axes.sections[0] = 4;
  three_axes.axes.sections[1] = three_axes.axes.sections[2] = 6;
  for (const simdrope::Config& config : {simdrope::Config(32, 5e5), scaled, three_axes}) {
    const simdrope::Rope rope = RopeOf(config);
    const simdrope::CosSinCache cache = CacheOf(rope, simdrope::f32);
    const int32_t ids[] = {5, 0, 299, 17, 4, 4, 2, 250, 1, 0, 0, 77};
    const simdrope::Positions positions = simdrope::Positions::per_token(ids, config.axes.count, 1, 4);
    std::vector<float> a(4 * 3 * 32), b, k(4 * 32), l;
    for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(i % 37) - 18;
    for (size_t i = 0; i < k.size(); ++i) k[i] = static_cast<float>(i % 23) - 11;
    b = a;
    l = k;
    const auto view = cache.rows(300, positions);
    REQUIRE(view.ok());
    REQUIRE(simdrope::apply(*view, simdrope::thd(a.data(), 4, 3, 32), simdrope::thd(k.data(), 4, 1, 32)).ok());
    REQUIRE(
        simdrope::apply(rope.stream(positions), simdrope::thd(b.data(), 4, 3, 32), simdrope::thd(l.data(), 4, 1, 32))
            .ok());
    CHECK(a == b);
    CHECK(k == l);
  }
}

TEST_CASE("a position beyond the rows asked for is an error, not a read") {
  const simdrope::CosSinCache cache = CacheOf(RopeOf(simdrope::Config(8)), simdrope::f32);
  const auto view = cache.rows(10, simdrope::Positions(1 << 20));
  REQUIRE(view.ok());
  std::vector<float> q(8, 1.0f);
  CHECK(simdrope::apply(*view, simdrope::thd(q.data(), 1, 1, 8)).code() == SIMDROPE_OUT_OF_RANGE);
}

TEST_CASE("growing keeps earlier views and their rows") {
  const simdrope::CosSinCache cache = CacheOf(RopeOf(simdrope::Config(64)), simdrope::bf16);
  const auto small = cache.rows(8);
  REQUIRE(small.ok());
  const std::vector<char> before(static_cast<const char*>(small->table.cos),
                                 static_cast<const char*>(small->table.cos) + 8 * 32 * 2);
  int64_t last = small->table.rows;
  for (const int64_t rows : {1000, 1001, 5000, 20000}) {
    const auto grown = cache.rows(rows);
    REQUIRE(grown.ok());
    CHECK(grown->table.rows >= rows);
    CHECK(grown->table.rows >= last);
    last = grown->table.rows;
    CHECK(std::memcmp(grown->table.cos, before.data(), before.size()) == 0);
    CHECK(std::memcmp(small->table.cos, before.data(), before.size()) == 0);
  }
}

TEST_CASE("readers while one thread grows it") {
  const simdrope::Rope rope = RopeOf(simdrope::Config(16));
  const simdrope::CosSinCache cache = CacheOf(rope, simdrope::f32);
  std::vector<float> truth(8);
  for (size_t i = 0; i < 8; ++i) truth[i] = static_cast<float>(i);
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0}, reads{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 3; ++t) {
    readers.emplace_back([&, t] {
      Random random(static_cast<uint64_t>(t));
      do {
        const int64_t p = random.Int(0, 4000);
        std::vector<float> a(16, 1.5f), b(16, 1.5f);
        const auto view = cache.rows(p + 1, simdrope::Positions(p));
        const bool ok = view.ok() && simdrope::apply(*view, simdrope::thd(a.data(), 1, 1, 16)).ok() &&
                        simdrope::apply(rope.stream(p), simdrope::thd(b.data(), 1, 1, 16)).ok();
        wrong += ok && a == b ? 0 : 1;
        ++reads;
      } while (!done);
    });
  }
  for (int64_t rows = 1; rows < 40000; rows += rows / 3 + 1) {
    if (!cache.rows(rows).ok()) ++wrong;
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  CHECK(wrong == 0);
  CHECK(reads >= 3);
}

TEST_CASE("impossible sizes are refused, and what there is stays usable") {
  const simdrope::CosSinCache cache = CacheOf(RopeOf(simdrope::Config(16)), simdrope::f32);
  CHECK(cache.rows(-1).status().code() == SIMDROPE_INVALID_ARGUMENT);
  CHECK(cache.rows(INT64_MAX).status().code() == SIMDROPE_OUT_OF_MEMORY);
  CHECK(cache.rows(100).ok());
  simdrope_cache* none = nullptr;
  CHECK(simdrope_cache_create(nullptr, SIMDROPE_F32, &none) == SIMDROPE_INVALID_ARGUMENT);
  const simdrope::Rope rope = RopeOf(simdrope::Config(16));
  CHECK(simdrope_cache_create(rope.get(), static_cast<simdrope_format>(9), &none) == SIMDROPE_INVALID_ARGUMENT);
  simdrope_cache_release(nullptr);
}

TEST_CASE("a cache takes for a row what its tables and its factor on Q need, and says so where it has no memory") {
  simdrope::Config plain(64), xpos = plain, temperature = plain;
  xpos.xpos.scale_base = 512;
  temperature.temperature = {0.1, 8192, 0};
  for (const auto& [config, says] :
       {std::pair{&plain, ", 256 bytes each"}, {&xpos, ", 512 bytes each"}, {&temperature, ", 260 bytes each"}}) {
    const auto rope = simdrope::Rope::create(*config);
    REQUIRE(rope.ok());
    simdrope_cache* cache = nullptr;
    REQUIRE(simdrope_cache_create(rope->get(), SIMDROPE_F32, &cache) == SIMDROPE_OK);
    simdrope_cos_sin rows = SIMDROPE_COS_SIN_INIT;
    CHECK(simdrope_cache_rows(cache, INT64_MAX, &rows) == SIMDROPE_OUT_OF_MEMORY);
    CHECK(std::string(simdrope_last_error()).find(says) != std::string::npos);
    simdrope_cache_release(cache);
  }
}
