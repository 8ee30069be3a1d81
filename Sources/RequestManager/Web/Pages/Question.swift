/// What is asked before something is done that cannot be taken back: the name of what it is done to. A form brings its question
/// along in the fields `ask`, `ask_for` and, where it asks only for a certain value, `ask_if`. Scripts ask in a dialog.
package struct Question {
    let fields: [String: String]
    let text: String
    let wanted: String
    let answer: String?

    /// - Returns: `nil` where there is nothing to ask, or it has been answered.
    package init?(_ form: [String: String]) {
        guard let text = form["ask"], let wanted = form["ask_for"], form["answer"] != wanted else { return nil }
        if let condition = form["ask_if"]?.split(separator: "=", maxSplits: 1), condition.count == 2,
            form[String(condition[0])] != String(condition[1])
        {
            return nil
        }
        (self.text, self.wanted, answer) = (text, wanted, form["answer"])
        fields = form.filter { $0.key != "answer" }
    }
}
