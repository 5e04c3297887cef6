// simdrope freqs: the frequencies of a model, and where two models differ.
#include <cmath>
#include <cstdio>
#include <string>

#include "command.h"
#include "failure.h"
#include "frequencies.h"
#include "names.h"
#include "output_file.h"
#include "rope_arguments.h"

namespace simdrope::tool {
namespace {

struct FreqsArguments {
  bool json = false;
  RopeArguments rope;
  std::string plot, compare;

  void AddTo(CLI::App& app) {
    rope.AddTo(app);
    app.add_option("--plot", plot, "Draw wavelength against pair into this .svg");
    app.add_option("--compare", compare, "Another config.json or .gguf: list where it differs");
  }
};

void PrintDescription(const RopeChoice& choice, const Rope& rope) {
  const simdrope_rope_info info = rope.info();
  if (!choice.model_type.empty()) std::printf("model type        %s\n", choice.model_type.c_str());
  if (!choice.layer_type.empty()) std::printf("layer type        %s\n", choice.layer_type.c_str());
  for (const std::string& other : choice.layer_types) {
    if (other != choice.layer_type) std::printf("another type      %s (--layer-type)\n", other.c_str());
  }
  std::printf("head_dim          %d\n", info.head_dim);
  std::printf("rotary_dim        %d", info.rotary_dim);
  std::printf(info.rotary_offset != 0 ? " from %d\n" : "\n", info.rotary_offset);
  std::printf("pairing           %s\n", NameOf(kPairings, info.pairing));
  std::printf("theta             %.10g\n", info.theta);
  std::printf("scaling           %s\n", NameOf(kScalings, choice.config.scaling.type));
  std::printf("attention factor  %.10g\n", info.attention_factor);
  if (choice.max_position > 0) std::printf("max position      %lld\n", static_cast<long long>(choice.max_position));
  if (info.axes > 1) std::printf("position axes     %d\n", info.axes);
  std::printf("\n%6s  %-24s  %-14s%s\n", "pair", "inv_freq", "wavelength", info.axes > 1 ? "  axis" : "");
  for (int i = 0; i < info.pairs; ++i) {
    std::printf("%6d  %-24.17g  %-14.8g", i, info.inv_freq[i], Wavelength(info.inv_freq[i]));
    std::printf(info.axes > 1 ? "  %d\n" : "\n", static_cast<int>(info.pair_axis[i]));
  }
}

void PrintDifference(const Json& difference, const std::string& first, const std::string& second) {
  if (difference["same"]) {
    std::printf("%s and %s rotate alike\n", first.c_str(), second.c_str());
    return;
  }
  std::printf("%-18s  %-24s  %s\n", "differs", first.c_str(), second.c_str());
  for (const Json& field : difference["fields"]) {
    std::printf("%-18s  %-24s  %s\n", field["field"].get<std::string>().c_str(), field["first"].dump().c_str(),
                field["second"].dump().c_str());
  }
  if (difference["pairs"].empty()) {
    std::printf("all frequencies are the same\n");
    return;
  }
  const long long position = difference["position"];
  std::printf("\n%zu pairs turn at another rate; worst %.6g radians apart at position %lld\n",
              difference["pairs"].size(), difference["worst_radians"].get<double>(), position);
  std::printf("%6s  %-24s  %-24s  radians\n", "pair", "first", "second");
  for (const Json& pair : difference["pairs"]) {
    std::printf("%6d  %-24.17g  %-24.17g  %.6g\n", pair["pair"].get<int>(), pair["first"].get<double>(),
                pair["second"].get<double>(), pair["radians"].get<double>());
  }
}

int RunFreqs(const FreqsArguments& arguments) {
  const RopeChoice choice = arguments.rope.Resolve();
  const std::string name = arguments.rope.config.empty() ? "options" : arguments.rope.config;
  const Rope rope = Compile(choice.config, arguments.rope.config);
  for (const std::string& warning : choice.warnings) std::fprintf(stderr, "simdrope: warning: %s\n", warning.c_str());
  if (!arguments.plot.empty()) {
    const std::string title = choice.model_type.empty() ? name : choice.model_type + " (" + name + ")";
    RefuseInput("--plot", arguments.plot, {{"--config", arguments.rope.config}, {"--compare", arguments.compare}});
    WriteTextFile("--plot", arguments.plot, Plot(choice, rope, title));
  }
  Json json = Describe(choice, rope);
  if (!arguments.plot.empty()) json["plot"] = arguments.plot;
  if (!arguments.compare.empty()) {
    const RopeChoice other = arguments.rope.ResolveFile(arguments.compare);
    json["compare"] = Difference(choice, rope, other, Compile(other.config, arguments.compare));
  }
  if (arguments.json) {
    Print(json);
  } else if (!arguments.compare.empty()) {
    PrintDifference(json["compare"], name, arguments.compare);
  } else {
    PrintDescription(choice, rope);
  }
  return 0;
}

}  // namespace

void AddFreqs(CLI::App& app, int& exit_code) {
  AddCommand<FreqsArguments>(app, exit_code, "freqs",
                             "Frequencies, wavelengths and attention factor of a model; a picture; a comparison",
                             RunFreqs);
}

}  // namespace simdrope::tool
