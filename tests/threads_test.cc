// Serial, oneTBB and a host's slices give the same bytes; the caller's arena is respected.
#include <algorithm>
#include <atomic>
#include <numeric>
#include <set>
#include <thread>

#include "support.h"
#include "support/ids.h"
#include "support/layouts.h"

#if SIMDROPE_HAVE_TBB
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_scheduler_observer.h>
#endif

using namespace testing;

namespace {

// Large enough to be worth four threads.
constexpr Shape kLarge{2, 96, 16, 4, 4, 64};

struct Work {
  simdrope::Rope rope;
  Tensors in;
  Tensors out;

  Work(Layout layout, const Shape& shape, Format format, int seed)
      : in(MakeTensors(layout, shape, format)), out(MakeTensors(layout, shape, format)) {
    rope = *simdrope::Rope::create(simdrope::Config(static_cast<int>(shape.head_dim)));
    Random random(static_cast<uint64_t>(seed));
    Job job;
    job.in = in.qkv;
    FillInputs(job, Inputs::kTame, &random);
  }

  simdrope::Status Run(const simdrope::Options& options) {
    return simdrope::apply(rope.stream(1000), in.qkv, out.qkv, options);
  }

  std::vector<std::vector<char>> Output() { return BytesOf(BuffersOf(&out)); }
  void Clear() {
    for (Buffer& buffer : out.buffers) std::fill_n(buffer.data(), buffer.size(), '\x11');
  }
};

simdrope::Options Serial() {
  simdrope::Options options;
  options.threads = 1;
  return options;
}

simdrope::Options Slice(int64_t index, int64_t count) {
  simdrope::Options options;
  options.slice_index = index;
  options.slice_count = count;
  return options;
}

}  // namespace

TEST_CASE("slices in any order and number make the whole, bit by bit") {
  Random random(41);
  for (const Layout layout : {Layout::kBshd, Layout::kBhsd, Layout::kPackedQkv}) {
    for (const Format format : kFormats) {
      Work work(layout, {2, 7, 4, 2, 2, 24}, format, 1);
      REQUIRE(work.Run(Serial()).ok());
      const auto whole = work.Output();
      for (const int64_t count : {1, 2, 3, 5, 16, 111, 112, 500}) {
        work.Clear();
        std::vector<int64_t> order(static_cast<size_t>(count));
        std::iota(order.begin(), order.end(), 0);
        for (size_t i = order.size(); i > 1; --i) {
          std::swap(order[i - 1], order[static_cast<size_t>(random.Int(0, static_cast<int64_t>(i) - 1))]);
        }
        for (const int64_t index : order) REQUIRE(work.Run(Slice(index, count)).ok());
        CAPTURE(count);
        const bool same = work.Output() == whole;
        CHECK(same);
      }
    }
  }
}

TEST_CASE("slices on a host's own threads") {
  Work work(Layout::kPackedQkv, kLarge, simdrope::bf16, 2);
  REQUIRE(work.Run(Serial()).ok());
  const auto whole = work.Output();
  work.Clear();
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] { failures += work.Run(Slice(i, 4)).ok() ? 0 : 1; });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failures == 0);
  const bool same = work.Output() == whole;
  CHECK(same);
}

TEST_CASE("no element belongs to two slices") {
  // In place, rotating one twice would show.
  Work work(Layout::kBshd, {1, 5, 3, 1, 0, 16}, simdrope::f32, 3);
  REQUIRE(work.Run(Serial()).ok());
  const auto whole = work.Output();
  for (int64_t index = 0; index < 4; ++index) {
    REQUIRE(simdrope::apply(work.rope.stream(1000), work.in.qkv, Slice(index, 4)).ok());
  }
  const bool same = BytesOf(BuffersOf(&work.in)) == whole;
  CHECK(same);
}

TEST_CASE("rows computed in slices are those computed at once") {
  const auto rope = simdrope::Rope::create(simdrope::Config(64));
  REQUIRE(rope.ok());
  constexpr int64_t kSeq = 100;
  const int64_t offsets[] = {5, 500, -7};
  const simdrope::Positions positions = simdrope::Positions::per_sequence(offsets, 3);
  std::vector<float> whole(3 * kSeq * 64), parts(whole.size());
  const auto fill = [&](std::vector<float>& values, const simdrope::Options& options) {
    const simdrope::CosSinOutput output(
        simdrope::Table(values.data(), values.data() + 3 * kSeq * 32, kSeq, 32).per_batch(3));
    return simdrope_compute_cos_sin(rope->get(), &positions, 3, kSeq, &output, &options);
  };
  REQUIRE(fill(whole, Serial()) == SIMDROPE_OK);
  for (int64_t index = 6; index >= 0; --index) REQUIRE(fill(parts, Slice(index, 7)) == SIMDROPE_OK);
  CHECK(whole == parts);
  std::fill(parts.begin(), parts.end(), 0.0f);
  REQUIRE(fill(parts, simdrope::Options()) == SIMDROPE_OK);
  CHECK(whole == parts);
}

TEST_CASE("bad threads and slices are refused by name") {
  Work work(Layout::kBshd, {1, 2, 1, 0, 0, 8}, simdrope::f32, 4);
  simdrope::Options negative;
  negative.threads = -1;
  for (const simdrope::Options& options : {negative, Slice(0, -1), Slice(-1, 3), Slice(3, 3)}) {
    const simdrope::Status status = work.Run(options);
    CHECK(status.code() == SIMDROPE_INVALID_ARGUMENT);
    CHECK(status.message().find(options.threads < 0 ? "threads = -1" : "slice_index") != std::string::npos);
  }
}

TEST_CASE("the build says truly whether it has oneTBB") {
#if SIMDROPE_HAVE_TBB
  CHECK(simdrope_has_tbb());
  CHECK(simdrope_max_threads() >= 1);
#else
  CHECK(!simdrope_has_tbb());
  CHECK(simdrope_max_threads() == 1);
#endif
}

#if SIMDROPE_HAVE_TBB

namespace {

// Which threads work in an arena.
class Observer : public tbb::task_scheduler_observer {
 public:
  explicit Observer(tbb::task_arena& arena) : tbb::task_scheduler_observer(arena) { observe(true); }
  ~Observer() override { observe(false); }
  void on_scheduler_entry(bool) override { ++entries_; }
  int entries() const { return entries_; }

 private:
  std::atomic<int> entries_{0};
};

}  // namespace

TEST_CASE("oneTBB gives the bytes of a serial call, in every layout and type, in place too") {
  const tbb::global_control control(tbb::global_control::max_allowed_parallelism, 4);
  tbb::task_arena arena(4);
  for (const Layout layout : {Layout::kBshd, Layout::kBhsd, Layout::kPackedQkv, Layout::kPadded}) {
    for (const Format format : kFormats) {
      Work work(layout, kLarge, format, 5);
      REQUIRE(work.Run(Serial()).ok());
      const auto whole = work.Output();
      for (int repeat = 0; repeat < 3; ++repeat) {
        work.Clear();
        // What is not part of the output (padding) was never written in the serial run either.
        if (layout == Layout::kPadded) REQUIRE(work.Run(Serial()).ok());
        arena.execute([&] { REQUIRE(work.Run(simdrope::Options()).ok()); });
        if (layout != Layout::kPadded) CHECK(work.Output() == whole);
      }
      const auto before = BytesOf(BuffersOf(&work.in));
      REQUIRE(simdrope::apply(work.rope.stream(1000), work.in.qkv, Serial()).ok());
      const auto in_place = BytesOf(BuffersOf(&work.in));
      RestoreBytes(BuffersOf(&work.in), before);
      arena.execute([&] { REQUIRE(simdrope::apply(work.rope.stream(1000), work.in.qkv).ok()); });
      const bool same = BytesOf(BuffersOf(&work.in)) == in_place;
      CHECK(same);
    }
  }
}

TEST_CASE("a call uses the caller's arena: one thread there, one thread here") {
  const tbb::global_control control(tbb::global_control::max_allowed_parallelism, 4);
  Work work(Layout::kBshd, kLarge, simdrope::f32, 6);
  tbb::task_arena one(1), three(3);
  one.execute([&] { CHECK(simdrope_max_threads() == 1); });
  three.execute([&] { CHECK(simdrope_max_threads() == 3); });
  Observer observer(one);
  one.execute([&] {
    for (int i = 0; i < 20; ++i) REQUIRE(work.Run(simdrope::Options()).ok());
  });
  CHECK(observer.entries() <= 1);
}

TEST_CASE("a call that ends before others would wake does not wake them") {
  const tbb::global_control control(tbb::global_control::max_allowed_parallelism, 4);
  Work work(Layout::kBshd, {1, 30, 16, 4, 0, 64}, simdrope::f32, 7);  // reads and writes 300 KB
  tbb::task_arena arena(4);
  Observer observer(arena);
  arena.execute([&] {
    for (int i = 0; i < 20; ++i) REQUIRE(work.Run(simdrope::Options()).ok());
  });
  CHECK(observer.entries() == 1);
}

#endif
