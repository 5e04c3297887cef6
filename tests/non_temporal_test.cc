// Non-temporal stores are followed by a fence on the thread that made them, before the call ends. No processor at hand
// shows a missing one, so the kernels' own functions are wrapped.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "exec/machine.h"
#include "exec/plan.h"
#include "kernels/kernels.h"
#include "support.h"
#include "support/layouts.h"
#include "support/targets.h"

using namespace testing;
namespace impl = simdrope::impl;

namespace {

const impl::Kernels* own;            // those of the target in use
std::mutex mutex;                    // of what follows
std::set<std::thread::id> unfenced;  // threads with non-temporal stores behind no fence
int64_t stores = 0, fences = 0;

void Stored() {
  const std::lock_guard lock(mutex);
  unfenced.insert(std::this_thread::get_id());
  ++stores;
}

void Fence() {
  own->fence();
  const std::lock_guard lock(mutex);
  unfenced.erase(std::this_thread::get_id());
  ++fences;
}

void CopyNonTemporal(const void* in, void* out, size_t n, ptrdiff_t prefetch_far) {
  own->copy_non_temporal(in, out, n, prefetch_far);
  Stored();
}

template <int kFormat, int kPairing>
void Rotate(const impl::StraightCall& call) {
  own->rotate[kFormat][kPairing](call);
  if (call.non_temporal) Stored();
}

template <int kFormat, int kPairing>
void Wrap(impl::Kernels* kernels) {
  kernels->rotate[kFormat][kPairing] = &Rotate<kFormat, kPairing>;
}

impl::Kernels Wrapped() {
  REQUIRE(impl::FindKernels(&own) == SIMDROPE_OK);
  impl::Kernels kernels = *own;
  kernels.fence = &Fence;
  kernels.copy_non_temporal = &CopyNonTemporal;
  Wrap<SIMDROPE_F32, SIMDROPE_HALF>(&kernels);
  Wrap<SIMDROPE_BF16, SIMDROPE_HALF>(&kernels);
  Wrap<SIMDROPE_F16, SIMDROPE_INTERLEAVED>(&kernels);
  stores = fences = 0;
  unfenced.clear();
  return kernels;
}

// Q out of place, in [1, tokens, heads, 128].
struct Call {
  simdrope::Rope rope;
  impl::Window window;
  Tensors in, out;
  simdrope_cos_sin cos_sin;
  impl::Plan plan;
  simdrope_run run;

  Call(const Call&) = delete;
  Call(const impl::Kernels& kernels, Format format, simdrope_pairing pairing, int64_t tokens, int threads,
       simdrope_pairing output_pairing)
      : in(MakeTensors(Layout::kBshd, {1, tokens, 8, 0, 0, 128}, format)),
        out(MakeTensors(Layout::kBshd, {1, tokens, 8, 0, 0, 128}, format)) {
    simdrope::Config config(128);
    config.pairing = pairing;
    rope = *simdrope::Rope::create(config);
    REQUIRE(impl::MakeWindow(128, 0, 0, 0, pairing, &window) == SIMDROPE_OK);
    cos_sin = rope.stream(7);
    simdrope::Options options;
    options.threads = threads;
    impl::MakePlan(kernels, &cos_sin, window, output_pairing, in.qkv, out.qkv, options, 1, tokens, &plan);
    impl::PointersOf(&cos_sin, in.qkv, out.qkv, options, &run);
  }
};

// Tokens whose output is just above the size from which stores are non-temporal.
int64_t TokensOf(Format format) { return impl::kNonTemporalFrom / (8 * 128 * (format == simdrope::f32 ? 4 : 2)) + 1; }

struct Case {
  Format format;
  simdrope_pairing pairing;
};
constexpr Case kCases[] = {
    {simdrope::f32, SIMDROPE_HALF}, {simdrope::bf16, SIMDROPE_HALF}, {simdrope::f16, SIMDROPE_INTERLEAVED}};

// Targets whose straight road is unrolled have non-temporal stores.
bool HasNonTemporalStores(const std::string& target) { return target.find("AVX") == 0 || target.find("NEON") == 0; }

}  // namespace

TEST_CASE("a large call stores non-temporally, and every thread's stores are fenced, in slices too") {
  ForEachTarget([](const simdrope_target& target) {
    const impl::Kernels kernels = Wrapped();
    for (const auto& [format, pairing] : kCases) {
      for (const int threads : {1, 0}) {
        for (const int64_t slices : {0, 3}) {
          Call call(kernels, format, pairing, TokensOf(format), threads, pairing);
          REQUIRE(call.plan.non_temporal == HasNonTemporalStores(target.name));
          for (int64_t index = 0; index < std::max<int64_t>(slices, 1) && call.plan.non_temporal; ++index) {
            call.run.slice_index = index;
            call.run.slice_count = slices;
            stores = fences = 0;
            impl::RunPlan(call.plan, call.run);
            CHECK(stores > 0);
            CHECK(fences > 0);
            CHECK(unfenced.empty());
          }
        }
      }
    }
  });
}

TEST_CASE("the tile road's stores are fenced as well") {
  const impl::Kernels kernels = Wrapped();
  Call call(kernels, simdrope::f32, SIMDROPE_HALF, TokensOf(simdrope::f32), 1, SIMDROPE_INTERLEAVED);
  REQUIRE(call.plan.operands[0].road == impl::Road::kTile);
  REQUIRE(call.plan.non_temporal);
  impl::RunPlan(call.plan, call.run);
  CHECK(fences == 1);
}

TEST_CASE("a call that is not larger than that has no non-temporal stores and no fence") {
  const impl::Kernels kernels = Wrapped();
  for (const auto& [format, pairing] : kCases) {
    Call call(kernels, format, pairing, TokensOf(format) - 1, 1, pairing);
    CHECK(!call.plan.non_temporal);
    impl::RunPlan(call.plan, call.run);
    CHECK(stores == 0);
    CHECK(fences == 0);
  }
}
