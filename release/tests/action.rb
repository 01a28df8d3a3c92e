# Prints the shell steps of the composite action, one after another as GitHub runs them, with its inputs in the environment.
#   ruby action.rb ACTION.yml INPUT=VALUE…
# Exit code 1 if an input or any other expression is put into the text of a step.
require "yaml"

file, *given = ARGV
action = YAML.load_file(file)
inputs = action.fetch("inputs").transform_values { |input| input["default"] }
given.each do |pair|
  name, value = pair.split("=", 2)
  raise "the action has no input #{name}" unless inputs.key?(name)

  inputs[name] = value
end
raise "it is no composite action" unless action.dig("runs", "using") == "composite"

action["runs"]["steps"].each do |step|
  abort "the step #{step['name']} has an expression in its text" if step.fetch("run").include?("${{")
  abort "the step #{step['name']} has another shell" unless step["shell"] == "bash"

  environment = (step["env"] || {}).map do |name, value|
    input = value[/\A\$\{\{ inputs\.([a-z-]+) \}\}\z/, 1] or abort "#{name} is #{value}"
    "#{name}=#{inputs.fetch(input)}"
  end
  exit($?.exitstatus || 1) unless system(*environment.to_h { |pair| pair.split("=", 2) }.then { |env| [env] },
                                         "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"])
  # What a step adds to the PATH holds for the following ones.
  added = File.readlines(ENV.fetch("GITHUB_PATH"), chomp: true)
  ENV["PATH"] = (added + [ENV.fetch("PATH")]).join(":")
end
