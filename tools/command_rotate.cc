// simdrope rotate: rotates Q and K in files.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <simdrope/io.hpp>
#include <vector>

#include "command.h"
#include "failure.h"
#include "names.h"
#include "output_file.h"
#include "progress.h"
#include "rotation.h"
#include "targets.h"

namespace simdrope::tool {
namespace {

double MedianSeconds(Rotation& rotation, int repeat) {
  using Clock = std::chrono::steady_clock;
  Progress progress("rotating", repeat);
  std::vector<double> seconds;
  for (int i = 0; i < repeat; ++i) {
    const Clock::time_point begin = Clock::now();
    rotation.Apply();
    seconds.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
    progress.Add(1);
  }
  std::nth_element(seconds.begin(), seconds.begin() + repeat / 2, seconds.end());
  return seconds[static_cast<size_t>(repeat / 2)];
}

// The files that --out stands for.
struct OutputPaths {
  std::string all;                // one file for everything
  std::vector<std::string> each;  // or one for each array

  OutputPaths(const std::string& out, const std::vector<std::string>& names) {
    if (IsSafetensors(out)) {
      all = out;
    } else {
      for (const std::string& name : names) each.push_back((std::filesystem::path(out) / (name + ".npy")).string());
    }
  }
};

void RefuseInputs(const RotateArguments& a) {
  const std::vector<InputFile> inputs = {
      {"--q", a.q},
      {"--k", a.k},
      {"--v", a.v},
      {"--q-norm", NormFile(a.chain.q_norm)},
      {"--k-norm", NormFile(a.chain.k_norm)},
      {"--q-bias", a.chain.q_bias},
      {"--k-bias", a.chain.k_bias},
      {"--slots", a.chain.slots},
      {"--positions", a.positions},
      {"--cu-seqlens", a.cu_seqlens},
      {"--cos", a.cos},
      {"--sin", a.sin},
      {"--cos-sin", a.cos_sin},
      {"--expect-q", a.expect_q},
      {"--expect-k", a.expect_k},
      {"--expect-v", a.expect_v},
      {"--config", a.rope.config},
  };
  std::vector<std::string> names;
  for (const auto& [name, reference] : {std::pair{"q", &a.q}, std::pair{"k", &a.k}, std::pair{"v", &a.v}}) {
    if (reference->empty()) continue;
    for (const char* what : {"", "_scale", "_zero_point"}) names.push_back(std::string(name) + what);
  }
  const OutputPaths paths(a.out, names);
  if (!paths.all.empty()) RefuseInput("--out", paths.all, inputs);
  for (const std::string& path : paths.each) RefuseInput("--out", path, inputs);
}

Json WriteOutput(const Rotation& rotation, const std::string& out) {
  std::vector<std::pair<std::string, const io::Array*>> arrays;
  for (const auto& [name, side] :
       {std::pair{std::string("q"), &rotation.q()}, std::pair{std::string("k"), &rotation.k()},
        std::pair{std::string("v"), &rotation.v()}}) {
    if (!side->is_present()) continue;
    arrays.emplace_back(name, &side->out_array);
    if (!side->scales.are_computed()) continue;
    arrays.emplace_back(name + "_scale", &side->scales.scale);
    if (side->out_format == u8) arrays.emplace_back(name + "_zero_point", &side->scales.zero_point);
  }
  std::vector<std::string> names;
  for (const auto& [name, array] : arrays) names.push_back(name);
  const OutputPaths paths(out, names);
  Json files = Json::array();
  if (!paths.all.empty()) {
    std::vector<io::NamedArray> entries;
    for (const auto& [name, array] : arrays) {
      entries.push_back({name, array->type, array->shape, array->bytes.data(), array->bytes.size()});
    }
    Require(io::write_safetensors(out, entries));
    files.push_back(out);
    return files;
  }
  CreateFolder(out);
  for (size_t i = 0; i < arrays.size(); ++i) {
    Require(io::write_npy(paths.each[i], *arrays[i].second));
    files.push_back(paths.each[i]);
  }
  return files;
}

Json SideJson(const Side& side) {
  if (!side.is_present()) return nullptr;
  return {{"shape", side.in_array.shape},
          {"heads", side.sizes.heads},
          {"dtype", NameOf(kAllFormats, side.format)},
          {"out_dtype", NameOf(kAllFormats, side.out_format)},
          {"out_shape", side.out_array.shape}};
}

Json CheckJson(const reference::Comparison& comparison) {
  Json json = {{"ok", comparison.ok()},
               {"elements", comparison.elements},
               {"worst_ulp", comparison.worst_ulp},
               {"bound_ulp", comparison.bound_ulp},
               {"share_of_bound", comparison.worst_share}};
  if (!comparison.ok()) json["wrong"] = comparison.first_wrong;
  return json;
}

Json ExpectJson(const Deviation& deviation, const std::string& reference) {
  Json json = {
      {"file", reference}, {"ok", deviation.ok()}, {"elements", deviation.elements}, {"worst_error", deviation.worst}};
  if (!deviation.ok()) json["wrong"] = deviation.first_wrong;
  return json;
}

void PrintText(const Json& json) {
  const auto text = [&](const char* key) { return json[key].get<std::string>(); };
  if (!text("model_type").empty()) std::printf("model type  %s\n", text("model_type").c_str());
  for (const char* name : {"q", "k", "v"}) {
    const Json& side = json[name];
    if (side.is_null()) continue;
    const std::string in = side["dtype"], out = side["out_dtype"];
    const bool same_shape = side["shape"] == side["out_shape"];
    std::printf("%s           %s %s%s%s\n", name, side["shape"].dump().c_str(), in.c_str(),
                in == out && same_shape ? "" : (" to " + out).c_str(),
                same_shape ? "" : (" " + side["out_shape"].dump()).c_str());
  }
  std::printf("sizes       batch %lld, seq %lld, head_dim %d, rotary_dim %d, %s pairs\n",
              json["batch"].get<long long>(), json["seq"].get<long long>(), json["head_dim"].get<int>(),
              json["rotary_dim"].get<int>(), text("pairing").c_str());
  std::printf("angles      %s\n", text("angles").c_str());
  std::printf("target      %s, up to %d thread%s\n", text("target").c_str(), json["threads"].get<int>(),
              json["threads"] == 1 ? "" : "s");
  std::printf("time        %.6g ms, %.4g GB/s read and written\n", 1e3 * json["seconds"].get<double>(),
              json["gb_per_s"].get<double>());
  if (json.contains("check")) {
    const Json& check = json["check"];
    std::printf("check       largest error %.4g ULP (bound %.5g) in %lld elements: %s\n",
                check["worst_ulp"].get<double>(), check["bound_ulp"].get<double>(), check["elements"].get<long long>(),
                check["ok"] ? "ok" : "WRONG");
    if (!check["ok"]) std::printf("            %s\n", check["wrong"].get<std::string>().c_str());
  }
  if (json.contains("expected")) {
    for (const Json& one : json["expected"]) {
      std::printf("expected    %s: largest error %.4g in %lld elements: %s\n", one["file"].get<std::string>().c_str(),
                  one["worst_error"].get<double>(), one["elements"].get<long long>(), one["ok"] ? "ok" : "WRONG");
      if (!one["ok"]) std::printf("            %s\n", one["wrong"].get<std::string>().c_str());
    }
  }
  for (const Json& file : json["files"]) std::printf("wrote       %s\n", file.get<std::string>().c_str());
}

int Run(const RotateArguments& arguments) {
  if (!arguments.expect_q.empty() && arguments.q.empty()) Fail("--expect-q wants --q");
  if (!arguments.expect_k.empty() && arguments.k.empty()) Fail("--expect-k wants --k");
  if (!arguments.expect_v.empty() && arguments.v.empty()) Fail("--expect-v wants --v");
  RefuseInputs(arguments);
  Rotation rotation(arguments);
  for (const std::string& warning : rotation.choice().warnings) {
    std::fprintf(stderr, "simdrope: warning: %s\n", warning.c_str());
  }
  const double seconds = MedianSeconds(rotation, arguments.repeat);
  const Side& first = rotation.first();
  const double bytes =
      static_cast<double>(rotation.q().bytes_moved() + rotation.k().bytes_moved() + rotation.v().bytes_moved());
  Json json = {{"model_type", rotation.choice().model_type},
               {"q", SideJson(rotation.q())},
               {"k", SideJson(rotation.k())},
               {"v", SideJson(rotation.v())},
               {"layout", arguments.layout},
               {"batch", first.sizes.batch},
               {"seq", first.sizes.seq},
               {"head_dim", first.sizes.head_dim},
               {"rotary_dim", 2 * rotation.window().pairs()},
               {"rotary_offset", rotation.window().rotary_offset},
               {"pairing", NameOf(kPairings, rotation.window().pairing)},
               {"inverse", arguments.inverse},
               {"angles", rotation.has_table() ? std::string("a table")
                                               : Text("theta ", rotation.choice().config.theta, ", scaling ",
                                                      NameOf(kScalings, rotation.choice().config.scaling.type))},
               {"target", TargetInUse()},
               {"threads", arguments.threads > 0 ? arguments.threads : simdrope_max_threads()},
               {"seconds", seconds},
               {"gb_per_s", seconds > 0 ? bytes / seconds * 1e-9 : 0}};
  bool right = true;
  if (arguments.check) {
    const reference::Comparison comparison = rotation.CompareWithReference();
    right = right && comparison.ok();
    json["check"] = CheckJson(comparison);
  }
  const auto expect = [&](const Side& side, const std::string& reference) {
    if (reference.empty()) return;
    const Deviation deviation = CompareWithExpected(side, reference, arguments.atol, arguments.rtol);
    right = right && deviation.ok();
    json["expected"].push_back(ExpectJson(deviation, reference));
  };
  expect(rotation.q(), arguments.expect_q);
  expect(rotation.k(), arguments.expect_k);
  expect(rotation.v(), arguments.expect_v);
  json["files"] = WriteOutput(rotation, arguments.out);
  if (arguments.json) {
    Print(json);
  } else {
    PrintText(json);
  }
  return right ? 0 : 1;
}

}  // namespace

void AddRotate(CLI::App& app, int& exit_code) {
  AddCommand<RotateArguments>(app, exit_code, "rotate", "Rotate Q and K from files by their tokens' positions", Run);
}

}  // namespace simdrope::tool
