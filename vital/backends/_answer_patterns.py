"""What stands in answers of language models, as patterns: thoughts, channels, marks, prefaces, remarks, refusals."""

from __future__ import annotations

import re

FLAGS = re.IGNORECASE | re.DOTALL
TAGS = r"think|thinking|thought|thoughts|reasoning|reflection|analysis|scratchpad|seed:think|start_thought"
THOUGHTS = (
    (rf"<(?:{TAGS})>", rf"</(?:{TAGS})>"),
    (r"\[think\]", r"\[/think\]"),
    (r"◁think▷", r"◁/think▷"),
    (r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),
    (r"<\|start_thinking\|>", r"<\|end_thinking\|>"),
    (r"<\|channel>thought", r"<channel\|>"),
    (r"<unused94>", r"<unused95>"),
    (r"<details[^<>]*>", r"</details>"),
)
"""How thoughts begin and end. The beginning may be part of the prompt, and so be missing; the end may be cut off."""

FINAL = re.compile(r"<\|channel\|>\s*final\b(?:(?!<\|message).){0,200}<\|message\|>", FLAGS)
CHANNEL = re.compile(r"<\|channel\|>|<\|message\|>", FLAGS)
BARE_FINAL = re.compile(
    r"^\s*(?:analysis|commentary)(?=[A-Z\s]).*?"
    r"(?:assistantfinal|final(?=[A-Z\d\W]))",
    re.DOTALL,
)
BARE_THOUGHT = re.compile(r"^\s*(?:assistant)?analysis(?=[A-Z])")
RESPONSE = re.compile(
    r"^.*(?:here is my response|my final answer is|final answer|final response)\W*?:\**\s*(?=\S)", FLAGS
)
GRANITE = re.compile(r"^\s*here is my thought process\W", re.IGNORECASE)
WRAPPED = re.compile(
    r"[<\[](answer|response|output|final|result|final_answer)[>\]](?!\()(.*?)(?:[<\[]/\1[>\]]|\Z)"
    r"|<\|(?:begin_of_box|begin_of_solution|start_response)\|>(.*?)(?:<\|end_\w+\|>|\Z)"
    r"|\\boxed\{(?:\\text\{)?([^{}]*)\}",
    FLAGS,
)
ROLE = r"(?:assistant|model|bot|ai|gpt)"
HEADER = re.compile(
    rf"^\s*(?:<s>|<bos>|<\|begin_of_text\|>|<\|im_start\|>|<\|start_header_id\|>|<\|start_of_role\|>|<\|start\|>"
    rf"|<start_of_turn>|<\|assistant\|>|<｜assistant｜>|\[/INST\]|<\|end_header_id\|>|<\|end_of_role\|>|<\|message\|>"
    rf"|{ROLE}(?=\s*(?:\n|<\|end_))|{ROLE}\s*:)\s*",
    re.IGNORECASE,
)
END = re.compile(
    r"</s>|<turn\|>"
    r"|[\[<{]/?(?:end(?:[_ -]?of[_ -]?\w+)?|eos|eot|eod|eom|inst|done|stop|pad|sep|finish(?:ed)?)[\]>}](?!\()"
    r"|<[|｜]\w[\w▁]*[|｜]>"
    r"|^\s*(?:user|human|caption|question|instruction|###\s*(?:user|human|instruction|input))\s*:",
    re.IGNORECASE | re.MULTILINE,
)
PAGE = re.compile(r"^\s*(?:<!doctype\s+html|<html|<\?xml|<head|<body)\b", re.IGNORECASE)
INLINE = re.compile(r"</?(?:b|i|em|strong|code|span|u|mark|sub|sup|small|a)(?:\s[^<>]*)?>", re.IGNORECASE)
ANY_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,200}>|<!--.*?-->", re.DOTALL)
FENCE = re.compile(r"(?:```|~~~)[ \t]*([\w+-]*)[ \t]*\n?(.*?)(?:```|~~~|\Z)", re.DOTALL)

_ANSWER_KEYS = """
    arguments parameters input descriptions description labels label phrases phrase captions_summary
    summary concepts concept themes theme common_themes common_theme commonalities answers answer
    final_answer results result items output outputs response text content name title value caption
    short_description keywords tags candidates final data properties"""
ANSWER_KEYS = tuple(_ANSWER_KEYS.split())
_ASIDE_KEYS = """
    error errors reason reasons reasoning thought thoughts thinking analysis explanation explanations
    rationale note notes comment confidence score captions id index rank number count type role evidence
    justification refusal status finish_reason model language required additionalproperties object"""
ASIDE_KEYS = frozenset(_ASIDE_KEYS.split())
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
ASIDE_VALUE = re.compile(
    r'"(?:' + "|".join(sorted(ASIDE_KEYS)) + r')"\s*:\s*(?:"(?:[^"\\]|\\.)*"?|\[[^\]]*\]?|[^,}\]]*)', FLAGS
)
KEYED = re.compile(r'"[^"\\]{0,40}"\s*:\s*')

MARK = re.compile(
    r"^(?:[-*•●▪◦‣·–—+>✓✔☐→~]+(?=\s|\*|[\"“`])|\(?\d{1,3}[.):\]、．）：](?!\d)|\[\d{1,3}\]|\d{1,3}\s?[-–—](?=\s)|\d{1,3}\t"
    r"|#\d{1,3}[.):]?(?=\s)|[Nn]o\.\s?\d{1,3}[.):]?(?=\s)|\d{1,2}(?:st|nd|rd|th)[.):](?=\s)|\\item(?=\s)"
    r"|\(?[a-hA-H][.)](?=\s)|\(?(?:[ivx]{1,4}|[IVX]{1,4})[.)](?=\s))\s*(?:\[[ xX✓✗]\]\s+)?"
)
CHECKED = re.compile(r"^(\s*[-*+]\s+)\[[ xX✓✗]\]\s+", re.MULTILINE)
"""A list of things to do."""
COUNTED = re.compile(r"^\s*(\d{1,3})\s*[\s,;]\s*(\S.*)$")
"""A line of a list whose numbers have no mark, which they need not have where they count."""
ENVIRONMENT = re.compile(r"\\(?:begin|end)\{\w+\*?\}")
ABBREVIATED = re.compile(r"\b(?:St|Mt|Ft|Dr|Mr|Mrs|Ms|Jr|Sr|Prof|vs|No|approx)\.$")
EMPTY_MARK = re.compile(r"^(?:\(?\d{1,3}[.):]|[-*•–—>]+)$")
QUOTES = "\"'`*_“”‘’«»„「」 \t"
LABEL_WORDS = (
    r"(?:(?:final|short|best|plain|my|the|common|main|most|likely|likeliest|possible|suggested|proposed|visual|shared"
    r"|key|overall|brief|one|simplified|shortened|four|three|two|five|unit|neuron|top|primary|central|dominant"
    r"|prominent|recurring|unifying|single|general|underlying|frequent)\s+)*"
    r"(?:answers?|labels?|descriptions?|phrases?|captions?|themes?|concepts?|summar(?:y|ies)|output|results?|response"
    r"|descriptors?|commonalit(?:y|ies)|features?|elements?|candidates?|options?|suggestions?|keywords?|tags?"
    r"|patterns?"
    r"|denominators?|interpretations?|topics?|guess|choices?|title|focus|subjects?|motifs?|things?|aspects?|version)"
    r"(?:\s+in\s+common)?"
)
LABEL = re.compile(
    rf"^[*_#\s]*(?:{LABEL_WORDS}(?:\s*\#?(?:\d{{1,2}}|[a-d]\b))?|(?:most )?(?:likely|prominent|common)|first|second"
    r"|third|fourth|a|final|simplified|shortened|rephrased|tl;?dr|in (?:a|one) word|in (?:short|brief)"
    r"|(?:you|one) could (?:say|write|call it))(?:[*_\s]*[:：=]|\s+[-–—](?=\s))[*_\s]*(?=\S)|"
    r"^(?:first|second|third|fourth|last|final)ly,\s+",
    re.IGNORECASE,
)
ANSWER = re.compile(
    r"^[*_#\s]*(?:(?:final|short|my|the) )*(?:answers?|phrases?|labels?|descriptions?)[*_\s]*:", re.IGNORECASE
)
"""Where the answer begins, after whatever stands before it."""
HEDGE = re.compile(r"^(?:possibly|probably|perhaps|likely|maybe)[:,]?\s+(?=\S)", re.IGNORECASE)
TAIL = re.compile(
    r"(?:\s+\([^()]*\)?|\s+(?:as|in) (?:a |the |their )?common\b.*|\s*(?:[\t,;=]|\.{2,}|…)\s*\d*\.?\d+\s*%?"
    r"|\s+(?:\d+(?:\.\d+)?\s?%|[x×]\s?\d+))[\s.]*$",
    re.IGNORECASE,
)
"""What is said of a description behind it."""
ASIDE = re.compile(
    r"^(?:which|that|as|because|since|where|who|so|but|suggesting|indicating)\b", re.IGNORECASE
)
"""How parts of a sentence begin that are no descriptions."""
NUMBERED = re.compile(r"[,;]?\s+(?=\(?\d{1,2}[.)]\s)")
TEX = re.compile(r"\\text\w*\{([^{}]*)\}")
EMOJI = re.compile(r"\d?\ufe0f?\u20e3|[\ufe0e\ufe0f\u2600-\u27bf\U0001f000-\U0001faff]+")
META = re.compile(
    rf"^(?:json|final|yaml|markdown|plaintext|html|xml|assistant|the|here|sure|okay|ok|yes|end|done"
    rf"|{LABEL_WORDS}(?:\s*\#?\d{{1,2}})?(?:,\s*\w+)*"
    r"|(?:first|second|third|fourth) (?:description|phrase|label)|insert (?:a|your|the) .*"
    r"|your (?:descriptions?|answers?|phrases?|labels?)(?: here)?|one a line|string)$",
    re.IGNORECASE,
)
NOT_META = frozenset(("label", "labels", "tag", "tags", "pattern", "patterns", "features", "motif", "motifs"))
"""Words of `META` that images show."""
PREFACE = re.compile(
    r"^(?:sure|certainly|of course|absolutely|okay|ok|yes|alright|great|got it|here(?:'s| is| are)|here you go"
    r"|no problem"
    r"|let's see|let me (?:see|think)|happy to help|below (?:is|are)"
    r"|the following|these are|this is (?:a|the|my) (?:list|short|answer)"
    r"|understood)\b"
    r"(?:[^:\n]{0,200}?:|[!.,]+(?=\s|$))\s*",
    re.IGNORECASE,
)
PREFACE_ALONE = re.compile(
    r"^(?:(?:sure|certainly|of course|absolutely|here(?:'s| is| are| you)|below (?:is|are)|the following|based on"
    r"|looking at|after (?:looking|analyzing|reviewing)|given (?:the|these)|from the (?:given|captions)"
    r"|to (?:find|summarize)|let me|let's|hmm|so (?:i|we|let)|wait|happy to|we (?:need|have|are|can|should|must)"
    r"|the user|the task|i|as an|you (?:are|have|can|asked)|write (?:up|down|a|the|each|only|short|[\w\s]*:)"
    r"|please (?:note|let|see|find|tell|keep|provide|write)|each (?:one|description|caption)|maybe|perhaps"
    r"|possibly because|because|commentary to=\w*)(?![\w-])|please\W*$|step \d+\s*(?:[:.)]|$)"
    r"|(?:first|okay|ok|well|so),|(?:okay|ok)\W*$|(?:thoughts?|analysis|observations?|q|error):)",
    re.IGNORECASE,
)
NOTE = re.compile(
    r"^\W*(?:notes?\b\W*(?::|that)|let me know|i hope|hope (?:this|that)|feel free|explanation\b|reasoning\b"
    r"|rationale\b"
    r"|justification\b|these (?:descriptions|phrases|labels|are)|this (?:captures|reflects|description|phrase"
    r"|label|is)"
    r"|p\.?\s?s\.|if you|would you|do you|is there anything|disclaimer\b|confidence\b|in summary|they (?:all"
    r"|are)|please)",
    re.IGNORECASE,
)
WARNING = re.compile(r"^\W*(?:warning|disclaimer|caution|caveat|note)s?\W*:", re.IGNORECASE)
SENTENCE = re.compile(
    r"^(?:(?:so|thus|therefore|overall|in short|in summary|based on (?:the|these) captions|it (?:seems"
    r"|appears)(?: that)?"
    r"|i(?:'d| would)? (?:think|believe|guess)(?: that)?)\W+)*(?:"
    r"i(?:'d| would) (?:say|call (?:it|this|them)|describe (?:it|this|them) as)|i (?:can )?see|it (?:looks like"
    r"|shows|is)|"
    rf"(?:that|this|it) (?:would|could|might) be|"
    rf"(?:the |an? )?{LABEL_WORDS}(?: (?:of|among|between|in|for|that|across|throughout) [\w\s]{{1,60}}?)? (?:is|are"
    rf"|would be|seems to be|appears to be|could be)"
    r"|what (?:most|all|the|these)[\w\s]{0,60}? (?:have in common|share) (?:is|are)"
    r"|(?:(?:most|all|many|each|every)(?: of)?(?: the| these)?|the|these|this|both)\s(?:[\w]+\s)?"
    r"(?:images?|captions?|pictures?|photos?|scenes?|descriptions?)(?: all| mostly| commonly| clearly)?"
    r" (?:shows?|depicts?|shares?|features?|contains?|mentions?|describes?|involves?|includes?|have in common"
    r"|are of|is of|are (?:all |mostly )?about|have|has|displays?|portrays?)"
    r"|they (?:all |mostly )?(?:show|depict|share|feature|contain|have in common|have|are)"
    r"|(?:(?:the|this) (?:unit|neuron|feature|channel)|it) (?:(?:likely|probably|mostly|strongly|most|seems? to"
    r"|appears? to|may|might|is) )*(?:(?:be )?(?:responds?|reacts?|fires?|activate[sd]?|excited|triggered|selective"
    r"|sensitive|tuned|looks?|detects?|represents?|encodes?)(?: (?:most|mostly|mainly|strongly|primarily))*)"
    r"(?: (?:to|for|on|by))?"
    r")\s*(?:(?:the|an?) (?:\w+ )?(?:presence|theme|concept|idea|color|use|focus) (?:of|on) |images of |that of"
    r"|is that |(?:all |mostly )?about )?[:,]?\s*(?=\S)",
    re.IGNORECASE,
)
NOTHING = re.compile(
    r"^(?:none|n/?\.?a\.?|null|nil|nan|nothing|undefined|empty|unknown|unclear|unsure|uncertain|tbd|idk|etc"
    r"|miscellaneous|(?:very |quite |too )?little|object object|(?:all )?(?:very |quite )?(?:different|unrelated)"
    r"|(?:all )?too (?:varied|diverse|different|random|dissimilar|general|vague|ambiguous)\b.*"
    r"|(?:it(?:'s| is) )?(?:unclear|not clear|hard|difficult|impossible|tough) (?:to|what|which|whether|how)\b.*"
    r"|(?:insufficient|too little|lack of|missing)\b.*\b(?:data|information|context|captions?|detail)\b.*"
    r"|(?:\d{3}\s+)?(?:internal server error|too many requests|bad gateway|service unavailable|unauthorized|forbidden"
    r"|bad request|gateway time-?out|upstream .*|(?:\w+ )?not found)"
    r"|error|no|not sure|unable to .*|(?:about )?(?:very )?(?:an? (?:wide )?variety of|different|unrelated"
    r"|various|diverse|random|mixed)"
    r" (?:things|objects|subjects|topics|scenes|images|content)|no idea|n\.a"
    r"|not applicable|no (?:answer|description|label|output|response|result|match|data|caption|text|comment"
    r"|content|summary)s?"
    r"|(?:none|nothing|neither)\b(?!-|\s+but\b).*"
    r"|(?:there (?:is|are|seems to be|appears to be) )?(?:no|not (?:a|any|enough)|nothing|little|insufficient"
    r"|hardly any)\s"
    r"(?:(?:single|clear|obvious|apparent|real|strong|evident|consistent|specific|discernible|particular"
    r"|meaningful|one"
    r"|sufficient|relevant|further|more|other|additional|unifying)\s+)*"
    r"(?:common|shared|pattern|theme|similarit|commonalit|overlap|connection|relation|concept|info|context"
    r"|unifying|in common"
    r"|captions?|images?|descriptions?|answer|visible|discernible|consistent|feature|element|clear|evidence|detail).*"
    r"|.*\b(?:nothing|not much|no \w+|little) (?:is |are |in |they )?(?:in common|shared|share)\b.*"
    r"|.*\b(?:cannot|can't|can not|could not|couldn't|impossible to) (?:be )?(?:determined?|identif|infer|tell"
    r"|say|find).*"
    r"|.*\b(?:have|share|has|shares) (?:nothing|no )\b.*|.*\bdo(?:es)? not (?:share|have|seem|appear).*"
    r"|.*\bdon't share.*"
    r"|not (?:determinable|identifiable|specified|available|provided|possible).*|(?:too )?(?:ambiguous|diverse"
    r"|varied)"
    r"|keine?s?|nichts|rien|aucune?|nada|ninguno|无|没有|なし)[\s.!?]*$",
    re.IGNORECASE | re.DOTALL,
)
REFUSAL = re.compile(
    r"^(?:i(?:'m| am) (?:\w+ )?(?:sorry|afraid|unable)|sorry\b(?!\s+(?:sign|face|card))|(?:my )?apologies"
    r"|i (?:must )?apologi[sz]e"
    r"|unfortunately|regrettably|lo siento|es tut mir leid|tut mir leid|je suis d[ée]sol[ée]|d[ée]sol[ée]|mi dispiace"
    r"|抱歉|很抱歉|对不起|申し訳|すみません|죄송|извините|простите|к сожалению|desculpe|infelizmente|purtroppo|helaas"
    r"|het spijt|niestety|przepraszam|leider|je ne (?:peux|sais|suis)|no puedo|n[ãa]o (?:posso|consigo)|non posso"
    r"|ich kann (?:\w+ ){0,4}nicht|я не могу|我(?:无法|不能))|できません|わかりません|수 없"
    r"|^(?:could|can|would) you\b|\byou (?:haven't|have not|did not|didn't)\b"
    r"|\byour (?:input|request|message|prompt|question)\b"
    r"|\b(?:request|content|message|response|input|output|prompt)s? (?:(?:was|were|has been|is) )?(?:flagged|blocked"
    r"|removed|filtered|rejected|denied|refused)\b"
    r"|\bi(?:'m| am)(?: really| currently| still)? (?:not able|unable|not allowed|not permitted|just an? "
    r"|only an? |an ai"
    r"|a (?:large )?language model|not comfortable|not sure|not certain|programmed)"
    r"|\bi (?:can't|cannot|can not|could not|couldn't|won't|will not|would not|don't|do not|must decline"
    r"|have to decline|decline)\b"
    r"|\bas an? (?:ai|artificial|(?:large )?language|assistant|text-based|multimodal)\b"
    r"|\b(?:can't|cannot|can not|unable to|not able to|won't|not going to) (?:help|assist|comply|fulfil|provide"
    r"|describe|process"
    r"|view|see|answer|generate|identify|do that|create|continue|discuss|complete|summari[sz]e|write|access)"
    r"|\bviolates? (?:my|our|the|openai|content|usage)|\bagainst (?:my|our|the) (?:guidelines|policy|policies"
    r"|rules|programming)"
    r"|\b(?:content|usage|safety) (?:policy|policies|filter|guidelines)\b|\bplease (?:provide|share|upload|give"
    r"|send|clarify)\b"
    r"|\b(?:no image|image (?:was|is) not) (?:was |is |has been )?(?:provided|attached|uploaded|visible)",
    re.IGNORECASE,
)
