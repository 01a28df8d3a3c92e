# Evaluates the formula as Homebrew does, for each of its systems, and installs its archive for Linux into a folder.
#   ruby formula.rb FORMULA FOLDER-OF-ARCHIVES PLATFORM…
require "digest"
require "fileutils"
require "tmpdir"

FORMULA, ARCHIVES, *PLATFORMS = ARGV

# What a formula may call, and nothing else: any other name is an error.
class Formula
  class << self
    attr_reader :found, :tested
    attr_accessor :platform

    %i[desc homepage version license url sha256].each do |name|
      define_method(name) { |*given| given.empty? ? @found[name] : ((@found ||= {})[name] = given.first) }
    end

    def on_macos = (yield if platform.start_with?("darwin"))
    def on_linux = (yield if platform.start_with?("linux"))
    def on_arm = (yield if platform.end_with?("arm64"))
    def on_intel = (yield if platform.end_with?("amd64"))
    def test(&block) = @tested = block
    def inherited(formula) = formula.platform = Formula.platform
  end

  # A folder of the installation.
  Place = Struct.new(:path) do
    def install(*given)
      given.flatten.flat_map { |each| each.is_a?(Hash) ? each.to_a : [[each, File.basename(each)]] }.each do |from, to|
        raise "the archive has no #{from}" unless File.file?(from)

        FileUtils.mkdir_p(path)
        FileUtils.cp(from, File.join(path, to))
      end
    end
  end

  def initialize(prefix) = @prefix = prefix
  def bin = Place.new(File.join(@prefix, "bin"))
  def man1 = Place.new(File.join(@prefix, "man1"))
  def bash_completion = Place.new(File.join(@prefix, "bash"))
  def zsh_completion = Place.new(File.join(@prefix, "zsh"))
  def fish_completion = Place.new(File.join(@prefix, "fish"))
end

PLATFORMS.each do |platform|
  Object.send(:remove_const, :Issuerctl) if defined?(Issuerctl)
  Formula.platform = platform
  load FORMULA
  archive = File.join(ARCHIVES, File.basename(Issuerctl.found.fetch(:url)))
  raise "#{platform}: #{archive}" unless archive.include?(platform)
  raise "#{platform}: the checksum is another one" unless Digest::SHA256.file(archive).hexdigest == Issuerctl.found[:sha256]
  raise "no test" unless Issuerctl.tested
  raise "the description is too long for brew audit" if Issuerctl.found[:desc].size > 80

  Dir.mktmpdir do |folder|
    system("tar", "-xzf", archive, "-C", folder, "--strip-components=1", exception: true)
    Dir.chdir(folder) { Issuerctl.new(File.join(folder, "prefix")).install }
    installed = Dir.glob("prefix/**/*", base: folder).select { |file| File.file?(File.join(folder, file)) }
    %w[prefix/bin/issuerctl prefix/man1/issuerctl.1 prefix/bash/issuerctl prefix/zsh/_issuerctl prefix/fish/issuerctl.fish]
      .each { |file| raise "#{platform}: #{file} was not installed" unless installed.include?(file) }
  end
end
puts "formula: #{PLATFORMS.join(', ')}"
